//! Code while somebody types it: whatever is written is still there after the expansion, and nothing panics.
//!
//! Editors complete inside what the expansion gives them, so a token that is lost is a completion that is lost.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;

use super::{expand, hook, hooked, normal, tokens, typed_point};
use crate::crate_path::Facade;

/// What is being typed, in the place of the body's content.
const BODIES: &[&str] = &[
    "let x = input.",
    "let x = input.method(a, ",
    "let x: = 1;",
    "if x",
    "match",
    "match x { Some( => 1 }",
    "input.; other",
    ",",
    "return",
    "let",
    "fn",
    "#",
    "#[",
    "'label: loop { break 'label",
    "async move { input. }.await",
    "a.b.c..",
    "&mut",
    "::",
];

fn of(args: TokenStream, item: TokenStream) -> String {
    hooked::hooked(args, item, Facade::Hookpoint).to_string()
}

#[cfg(feature = "enabled")]
#[test]
fn a_half_written_body_is_still_hooked() {
    for front in [
        "async fn run",
        "fn run",
        "pub(crate) unsafe fn run",
        "fn run<'a, T>",
    ] {
        for body in BODIES {
            let Ok(body) = body.parse::<TokenStream>() else {
                continue;
            };
            let front: TokenStream = front.parse().expect("tokens");
            let signature = quote!(#front(input: Input) -> Result<(), E>);
            let expanded = of(
                quote!(point = "tool.execute", component = input.name),
                quote!(#signature { #body }),
            );
            for kept in [signature.to_string(), body.to_string()] {
                // How far apart tokens are written is no part of them.
                let together = |text: &str| text.replace(char::is_whitespace, "");
                assert!(
                    together(&expanded).contains(&together(&kept)),
                    "{kept} is not in {expanded}"
                );
            }
            assert!(!expanded.contains("compile_error"), "{expanded}");
            assert!(expanded.contains("is_idle"), "{expanded}");
        }
    }
}

#[cfg(feature = "enabled")]
#[test]
fn a_half_written_method_does_not_unhook_the_others() {
    let expanded = expand(
        r#"point = "billing.*""#,
        "impl Till { fn charge(&self) { self. } fn total(&self) -> u8 { 1 } }",
    );
    assert_eq!(expanded.matches("hooked (point").count(), 2, "{expanded}");
}

/// Editors mark what is missing, or what they could not read, with groups of their own.
#[test]
fn groups_without_delimiters_are_kept_wherever_they_are() {
    let garbage = TokenTree::Group(Group::new(
        Delimiter::None,
        tokens("let x = input .").into_iter().collect(),
    ));
    let invisible = TokenTree::Group(Group::new(Delimiter::None, TokenStream::new()));
    let braces = TokenTree::Group(Group::new(Delimiter::None, quote!({ input. })));
    for item in [
        quote!(fn run(input: Input) -> Result<(), E> { #garbage }),
        quote!(fn run(input: #invisible) { input. }),
        quote!(fn run(#invisible: u8) { input. }),
        quote!(fn run(input: Input) -> #invisible { input. }),
        quote!(fn run(input: Input) #braces),
        quote!(fn run(input: Input) #invisible),
        quote!(impl Till { fn run(&self) { #garbage } }),
        quote!(impl Till { fn run(&self, #garbage) {} fn other() {} }),
    ] {
        for args in [
            quote!(point = "tool.*"),
            quote!(point = "tool.execute"),
            quote!(point = #invisible),
            quote!(#garbage),
        ] {
            let expanded = of(args.clone(), item.clone());
            for kept in ["run", "input"]
                .iter()
                .filter(|kept| item.to_string().contains(**kept))
            {
                assert!(expanded.contains(*kept), "{args} on {item}: {expanded}");
            }
        }
    }
}

#[test]
fn half_written_signatures_stay_as_they_are() {
    for item in [
        "fn run(input: Input) -> { input. }",
        "fn run(input: ) { input. }",
        "fn run(input) { input. }",
        "fn run(input: Input,, other: u8) {}",
        "fn run<T: >(input: T) -> Result<T, { input. }",
        "fn run(&self, ) -> Result<(), E>",
        "async fn (input: Input) {}",
        "pub fn",
        "async",
        "unsafe extern",
        "impl Till { fn run(&self, input: ) { input. } fn",
        "impl { fn run() {} }",
    ] {
        let Ok(item) = item.parse::<TokenStream>() else {
            continue;
        };
        let expanded = of(quote!(point = "tool.execute"), item.clone());
        assert!(
            expanded.starts_with(&item.to_string()),
            "{item}: {expanded}"
        );
    }
}

#[test]
fn half_written_attributes_keep_the_function_and_say_what_is_missing() {
    let item = "pub async fn run(&self, input: Input) -> Result<(), E> { input. }";
    for args in [
        "point = ",
        "point = )",
        r#"point = "a.b", arg"#,
        r#"point = "a.b", args"#,
        r#"point = "a.b", args(input, "#,
        r#"point = "a.b", args(input = "#,
        r#"point = "a.b", args(input: )"#,
        r#"point = "a.b", fields(x = "#,
        r#"point = "a.b", fields(x = %)"#,
        r#"point = "a.b", component = "#,
        r#"point = "a.b", component = self."#,
        r#"point = "a.b", on_refused = |"#,
        r#"point = "a.b", redirect = self.find("#,
        r#"point = "a.b", crate = "#,
        r#"point = "a.b", crate = ::"#,
        r#""a.b""#,
        "p",
    ] {
        let Ok(args) = args.parse::<TokenStream>() else {
            continue;
        };
        let expanded = of(args.clone(), tokens(item));
        assert!(expanded.starts_with(&normal(item)), "{args}: {expanded}");
        assert!(expanded.contains("compile_error"), "{args}: {expanded}");
    }
}

#[test]
fn half_written_hooks_and_points_never_panic() {
    let item = "fn refuse(cx: &GuardContext<'_>) -> Result<Vote, HookError> { cx. }";
    for args in [
        "",
        "point = ",
        r#"point = "tool.*", role = "#,
        r#"point = "tool.*", when = "#,
        r#"point = "tool.*", when = |cx| cx."#,
        r#"point = "tool.*", phase = ["#,
        r#"point = "tool.*", phase = [pre, ]"#,
        r#"point = "tool.*", priority = -"#,
        r#"point = "tool.*", before = ["a", "#,
    ] {
        let Ok(args) = args.parse::<TokenStream>() else {
            continue;
        };
        let expanded = hook::hook(args.clone(), tokens(item), Facade::Hookpoint).to_string();
        assert!(expanded.starts_with(&normal(item)), "{args}: {expanded}");
    }
    for input in [
        "",
        "pub",
        "pub X",
        r#"pub X = "shop.sell""#,
        r#"pub X = "shop.sell" { a }"#,
        r#"pub X = "shop.sell" { a: }"#,
        r#"pub X = "shop.sell" { a: u8 } ->"#,
        r#"pub X = "shop.sell" { a: u8 } -> u8, crate"#,
        r#"pub X = "shop.sell" { a: u8 } -> u8, crate = x"#,
    ] {
        let Ok(input) = input.parse::<TokenStream>() else {
            continue;
        };
        let expanded = typed_point::point(input.clone(), Facade::Hookpoint).to_string();
        assert!(expanded.contains("compile_error"), "{input}: {expanded}");
    }
}
