//! The expansion as text, and what happens to items that cannot be expanded.
//!
//! The snapshots are in `tests/expand/`; `cargo insta review`, or `INSTA_UPDATE=always`, after a change, and
//! read them: they are what users' crates compile.

use proc_macro2::TokenStream;

use crate::crate_path::Facade;
use crate::{hook, hooked, typed_point};

fn expand(args: &str, item: &str) -> String {
    hooked::hooked(tokens(args), tokens(item), Facade::Hookpoint).to_string()
}

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("tokens")
}

fn normal(text: &str) -> String {
    tokens(text).to_string()
}

mod half_written;

#[cfg(feature = "enabled")]
mod enabled {
    use super::*;

    fn pretty(tokens: TokenStream) -> String {
        prettyplease::unparse(&syn::parse2(tokens).expect("the expansion is Rust"))
    }

    fn snapshot(name: &str, tokens: TokenStream) {
        insta::with_settings!({
            snapshot_path => "../tests/expand",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, pretty(tokens));
        });
    }

    fn of_function(name: &str, args: &str, item: &str) {
        snapshot(
            name,
            hooked::hooked(tokens(args), tokens(item), Facade::Hookpoint),
        );
    }

    #[test]
    fn sync() {
        of_function(
            "sync",
            r#"point = "tool.execute""#,
            "pub fn run(input: Input, name: &str, log: &mut Vec<u64>) -> Result<usize, String> { log.push(1); Ok(name.len()) }",
        );
    }

    #[test]
    fn sync_repeatable() {
        of_function(
            "sync_repeatable",
            r#"point = "tool.execute""#,
            "fn run(&self, input: Input, name: &str) -> Result<usize, String> { Ok(name.len()) }",
        );
    }

    #[test]
    fn asynchronous() {
        of_function(
            "async",
            r#"point = "tool.execute""#,
            "pub async fn run(&mut self, mut input: Input, name: &str, _: u8) -> Result<usize, String> { Ok(name.len()) }",
        );
    }

    #[test]
    fn async_trait() {
        of_function(
            "async_trait",
            r#"point = "tool.execute", component = self.name()"#,
            "fn run<'life0, 'async_trait>(&'life0 self, input: Input) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<usize, E>> + ::core::marker::Send + 'async_trait>> where 'life0: 'async_trait { Box::pin(async move { Ok(1) }) }",
        );
    }

    #[test]
    fn every_key() {
        of_function(
            "every_key",
            r#"point = POINT, component = self.name(), args(path = &request.path, renamed = name, raw: opaque, n = request.n + 1),
               fields(a = 1, b = %x, c = ?y), closed, blocking, redirect = self.find(), on_refused = |r| Mine(r), crate = ::other"#,
            "fn run(&self, request: Request, name: String, raw: T, (x, _): (u8, u8)) -> Result<impl Iterator<Item = u8>, Mine> { #![allow(unused)] todo() }",
        );
    }

    #[test]
    fn observe_and_future() {
        of_function(
            "observe",
            r#"point = "tool.execute", observe"#,
            "fn run(value: &mut u8) -> &mut u8 { value }",
        );
        of_function(
            "future",
            r#"point = "tool.execute", future"#,
            "fn run(value: u8) -> impl Future<Output = Result<u8, String>> { async move { Ok(value) } }",
        );
    }

    #[test]
    fn stream() {
        of_function(
            "stream",
            r#"point = "model.stream", stream, component = self.name()"#,
            "fn chat(&self, prompt: &str) -> impl Stream<Item = Result<Chunk, E>> + Send { stream::empty() }",
        );
        of_function(
            "boxed_stream",
            r#"point = "model.stream", stream, observe"#,
            "fn chat(&self, prompt: &str) -> Pin<Box<dyn Stream<Item = Chunk> + Send + '_>> { Box::pin(stream::empty()) }",
        );
    }

    #[test]
    fn impl_block() {
        of_function(
            "impl_block",
            r#"point = "billing.*", component = self.name(), observe"#,
            r#"impl<T> Trait for Till<T> {
                const A: u8 = { 1 };
                fn charge(&self) -> u8 { 1 }
                #[hooked(skip)]
                fn name(&self) -> u8 { 1 }
                #[hooked(point = "billing.x", closed)]
                fn other(&self) -> u8 { 1 }
            }"#,
        );
    }

    #[test]
    fn registration() {
        snapshot(
            "hook",
            hook::hook(
                tokens(
                    r#"point = "tool.*", phase = [post, error], priority = HIGH, timeout_ms = 5"#,
                ),
                tokens(
                    "async fn trim(cx: &mut HookContext<'_>) -> HookResult { HookResult::Continue }",
                ),
                Facade::Hookpoint,
            ),
        );
        snapshot(
            "point",
            typed_point::point(
                tokens(
                    r#"pub CHARGE = "billing.charge" { account: Account, cents: u64 } -> Result<Receipt, E>"#,
                ),
                Facade::Hookpoint,
            ),
        );
    }

    #[test]
    fn another_crate_path_leaves_no_trace_of_ours() {
        let expanded = expand(
            r#"point = POINT, component = "x", fields(a = 1), redirect = f, crate = ::other::hooks"#,
            "async fn run(value: u8, rest: impl Debug) -> Result<u8, String> { Ok(value) }",
        );
        assert!(
            expanded.contains(":: other :: hooks :: __private"),
            "{expanded}"
        );
        for banned in [":: hookpoint", ":: hooks_runtime"] {
            assert!(!expanded.contains(banned), "{banned} in {expanded}");
        }
    }

    #[test]
    fn signatures_are_kept_token_by_token() {
        let together = |text: &str| text.replace(char::is_whitespace, "");
        for signature in [
            "pub(in crate::a) async unsafe extern \"C\" fn run<'a, 'b: 'a, T: ?Sized + Trait<'a>, const N: usize>(self: &'a Arc<Self>, a: &'b mut [T; N], b: impl Fn(&str) -> usize + 'a) -> Result<&'a T, E> where T: 'a, for<'x> &'x T: Copy",
            "fn run(&self, a: &'static dyn Fn(&u8)) -> impl Iterator<Item = &'_ u8> + use<'_>",
            "default fn run(mut self: Box<Self>) -> Self::Output where Self: Sized",
            "fn run<T>(a: <T as Iterator>::Item, b: [u8; { 1 + 2 }]) -> Pin<Box<dyn Future<Output = ()> + '_>>",
        ] {
            let expanded = expand(
                r#"point = "tool.execute", observe"#,
                &format!("{signature} {{ body }}"),
            );
            assert!(
                together(&expanded).starts_with(&together(&normal(signature))),
                "{signature}\n{expanded}"
            );
        }
    }

    #[test]
    fn lints_that_other_compilers_may_not_know_are_allowed_as_such() {
        for (args, item) in [
            (
                r#"point = "a.b""#,
                "async fn run(_a: u8, b: String) -> Result<u8, E> { body }",
            ),
            (
                r#"point = "a.b", component = a"#,
                "fn run(a: u8, #[allow(unused)] _b: String) -> Result<u8, E> { body }",
            ),
            (
                r#"point = "a.b", future"#,
                "fn run(a: u8) -> impl Future<Output = u8> { body }",
            ),
        ] {
            let expanded = expand(args, item);
            let allowed: Vec<_> = expanded.split("allow (").skip(1).collect();
            assert!(!allowed.is_empty(), "{expanded}");
            for list in allowed {
                let (list, _) = list.split_once(')').expect("a closed list");
                assert!(
                    !list.contains("clippy") || list.contains("unknown_lints"),
                    "{list} in {expanded}"
                );
            }
        }
    }

    #[test]
    fn stacked() {
        of_function(
            "stacked",
            r#"point = "shop.outer", observe"#,
            r#"#[hooked(point = "shop.inner", observe)]
            #[doc = "Documented."]
            #[cfg_attr(test, hooked(point = "shop.innermost"))]
            #[inline]
            fn run(a: u8) -> u8 { a }"#,
        );
    }

    #[test]
    fn conditional_parameters() {
        of_function(
            "conditional_parameters",
            r#"point = "shop.sell""#,
            "fn run(&self, #[cfg(unix)] a: u8, #[cfg(unix)] #[allow(unused)] b: u8, #[cfg(test)] c: u8, d: u8) {}",
        );
    }
}

#[cfg(not(feature = "enabled"))]
#[test]
fn without_the_feature_functions_stay_as_they_are_and_mistakes_are_still_found() {
    let item = "pub async fn run(&self, (a, mut b): (u8, u8)) -> Result<u8, String> { Ok(a) }";
    assert_eq!(
        expand(r#"point = "tool.execute", component = self.name()"#, item),
        normal(item)
    );
    let wrong = expand(r#"point = "tool.exekute""#, item);
    assert!(
        wrong.contains("compile_error") && wrong.starts_with(&normal(item)),
        "{wrong}"
    );
}

#[test]
fn mistakes_keep_the_item_and_never_panic() {
    let items = [
        "struct S;",
        "fn f();",
        "const fn f() {}",
        "fn f(",
        "fn",
        "pub",
        "",
        "impl",
        "impl S",
        "trait T { fn f(); }",
        "impl S { fn f( }",
        "fn f(a: u8, a: u8) -> {}",
        "fn f() -> Result<, E> {}",
    ];
    let arguments = [
        "",
        "point",
        "point =",
        "point = 5",
        r#"point = "tool.exekute""#,
        r#"point = "tool.execute",, x"#,
        "point = {",
        "= = =",
        "args(",
        "args(a = )",
        "fields(a = % )",
        "component = self.",
        "crate = x",
        "skip, skip",
        "observe observe",
    ];
    for item in items {
        // What does not even become tokens never reaches a macro.
        let Ok(item) = item.parse::<TokenStream>() else {
            continue;
        };
        for args in arguments {
            let Ok(args) = args.parse::<TokenStream>() else {
                continue;
            };
            let expanded =
                hooked::hooked(args.clone(), item.clone(), Facade::Hookpoint).to_string();
            assert!(
                expanded.contains("compile_error"),
                "{args} on {item}: {expanded}"
            );
            assert!(
                expanded.starts_with(&item.to_string()),
                "{args} on {item}: {expanded}"
            );
            let expanded = hook::hook(args.clone(), item.clone(), Facade::Runtime).to_string();
            assert!(
                expanded.starts_with(&item.to_string()),
                "{args} on {item}: {expanded}"
            );
            typed_point::point(args.clone(), Facade::Hookpoint);
        }
    }
}
