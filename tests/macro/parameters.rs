//! Parameters under `#[cfg]`, and other attributes on parameters: shown if they are there.

#![deny(warnings)]
#![allow(clippy::non_minimal_cfg, clippy::duplicated_attributes)]

use hookpoint::{HookError, SiteInfo, hooked, hooks, sites};

#[hooked(point = "parameters.free")]
fn free(
    #[cfg(any())] gone: Missing,
    #[cfg(all())] here: String,
    #[cfg(all())]
    #[cfg(not(any()))]
    both: u8,
    always: u8,
) -> Result<String, String> {
    #[cfg(any())]
    compile_error!("configured away");
    Ok(format!("{here}{both}{always}"))
}

#[hooked(point = "parameters.named", args(gone, here, size = gone.len(), second = other.len()), skip(away))]
async fn named(
    #[cfg(any())] gone: Missing,
    #[cfg(any())] away: Missing,
    #[cfg(all())] here: String,
    #[cfg(all())] other: &str,
) -> Result<String, String> {
    tokio::task::yield_now().await;
    Ok(here + other)
}

struct Host(u8);

impl Host {
    #[hooked(point = "parameters.outer", on_refused = |_| 0)]
    #[hooked(point = "parameters.inner", on_refused = |_| 0)]
    fn method(&self, #[cfg(any())] gone: Missing, #[cfg(all())] here: u8) -> u8 {
        self.0 + here
    }
}

trait Adds {
    fn add(&self, #[cfg(any())] gone: Missing, here: u8) -> u8;
}

#[hooked(point = "parameters.*", on_refused = |_| 0)]
impl Adds for Host {
    fn add(&self, #[cfg(any())] gone: Missing, #[cfg(all())] here: u8) -> u8 {
        self.0 + here
    }
}

#[hooked(point = "parameters.lints", observe)]
fn lints(
    #[allow(unused_variables)] a: u8,
    #[cfg_attr(all(), allow(unused_variables))] b: u8,
    #[cfg_attr(all(), expect(unused_variables))] c: String,
) -> u8 {
    1
}

fn site(name: &str) -> &'static SiteInfo {
    let found = sites()
        .into_iter()
        .map(hookpoint::HookSite::info)
        .find(|site| site.path.ends_with(&format!("::parameters::{name}")));
    found.unwrap_or_else(|| panic!("no site {name}"))
}

fn shown(name: &str) -> Vec<&'static str> {
    site(name).args.iter().map(|arg| arg.name).collect()
}

#[test]
fn the_catalogue_has_the_parameters_that_are_there() {
    assert_eq!(shown("free"), ["here", "both", "always"]);
    assert!(site("free").flags.repeatable);
    assert_eq!(shown("named"), ["here", "second"]);
    assert_eq!(shown("method"), ["here"]);
    assert_eq!(shown("Host::add"), ["here"]);
    assert_eq!(shown("lints"), ["a", "b", "c"]);
}

#[tokio::test]
async fn hooks_see_and_change_what_is_there() {
    let _guards = ["parameters.free", "parameters.named"].map(|point| {
        hooks()
            .intercept(format!("{point}.more"), point, |cx| {
                cx.arg_mut::<String>("here")?.push('+');
                assert!(cx.arg_json("gone").is_err());
                Ok::<_, HookError>(())
            })
            .unwrap()
    });
    let _numbers = hooks()
        .intercept("parameters.numbers", "parameters.*", |cx| {
            if let Ok(here) = cx.arg_mut::<u8>("here") {
                *here += 10;
            }
        })
        .unwrap();
    assert_eq!(free("a".into(), 1, 2), Ok("a+12".into()));
    assert_eq!(named("a".into(), "b").await, Ok("a+b".into()));
    // Both of the stacked attributes, and the one of the block.
    assert_eq!(Host(1).method(1), 22);
    assert_eq!(Host(1).add(1), 12);
    assert_eq!(lints(1, 2, String::new()), 1);
}

/// More conditions than are told apart: those parameters go to the body and are not shown.
#[hooked(point = "parameters.many")]
fn many(
    #[cfg(all())] a: u8,
    #[cfg(not(any()))] b: u8,
    #[cfg(not(not(all())))] c: u8,
    #[cfg(all(all()))] d: u8,
    #[cfg(any(all()))] e: u8,
    f: u8,
) -> Result<u8, String> {
    Ok(a + b + c + d + e + f)
}

#[test]
fn beyond_four_conditions_such_parameters_are_not_shown() {
    assert_eq!(shown("many"), ["f"]);
    let _six = hooks()
        .intercept("parameters.six", "parameters.many", |cx| {
            *cx.arg_mut::<u8>("f")? = 60;
            Ok::<_, HookError>(())
        })
        .unwrap();
    assert_eq!(many(1, 2, 3, 4, 5, 6), Ok(75));
}
