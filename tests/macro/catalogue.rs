//! What the catalogue says of sites: paths, names of arguments, several sites of one name.

#![deny(warnings)]
#![allow(clippy::non_minimal_cfg, clippy::too_many_arguments)]

use hookpoint::{SiteInfo, hooked, sites};

#[hooked(point = "catalogue.names", observe)]
#[expect(dead_code)]
fn patterns(
    (a, b): (u8, u8),
    [first, ..]: [u8; 2],
    mut c: u8,
    _: String,
    _ignored: u8,
    r#type: u8,
    größe: u8,
    ref d: u8,
) -> u8 {
    c += 1;
    a + b + first + c + r#type + größe + d
}

mod deep {
    pub(super) fn outer() -> u8 {
        #[hooked(point = "catalogue.paths", observe)]
        fn inside(n: u8) -> u8 {
            n
        }
        inside(1)
    }
    use hookpoint::hooked;
    pub(super) mod deeper {
        pub(crate) struct Host;
        impl Host {
            #[hookpoint::hooked(point = "catalogue.paths", observe)]
            pub(crate) fn method() -> u8 {
                1
            }
        }
    }
    const _: () = {
        #[hooked(point = "catalogue.paths", observe)]
        #[expect(dead_code)]
        fn in_a_constant() {}
    };
}

#[hooked(point = "catalogue.configured", observe)]
#[cfg(all())]
fn configured() -> u8 {
    1
}

#[hooked(point = "catalogue.configured", observe)]
#[cfg(any())]
fn configured() -> u8 {
    2
}

#[hooked(point = "catalogue.shared", observe)]
fn one() -> u8 {
    1
}

#[hooked(point = "catalogue.shared", observe)]
async fn two() -> u8 {
    2
}

#[hooked(point = "catalogue.keys")]
#[expect(dead_code)]
fn trailing_comma() -> Result<(), String> {
    Ok(())
}

fn of(point: &str) -> Vec<&'static SiteInfo> {
    let all = sites().into_iter().map(hookpoint::HookSite::info);
    all.filter(|site| site.point == point).collect()
}

fn paths(point: &str) -> Vec<&'static str> {
    let ends = of(point)
        .into_iter()
        .map(|site| site.path.split_once("::catalogue::").unwrap().1);
    let mut ends: Vec<_> = ends.collect();
    ends.sort_unstable();
    ends
}

#[test]
fn names_are_those_of_the_parameters() {
    let found = of("catalogue.names");
    let names: Vec<_> = found[0].args.iter().map(|arg| arg.name).collect();
    // A pattern has no name, so it is called after its place; `_` is not shown at all.
    assert_eq!(
        names,
        ["arg0", "arg1", "c", "_ignored", "type", "größe", "arg7"]
    );
}

#[test]
fn paths_are_those_of_the_modules() {
    assert_eq!(deep::outer() + deep::deeper::Host::method(), 2);
    // An attribute on a method does not see the type; `#[hooked]` on the `impl` block does.
    assert_eq!(
        paths("catalogue.paths"),
        [
            "deep::deeper::method",
            "deep::in_a_constant",
            "deep::inside"
        ]
    );
}

#[tokio::test]
async fn sites_of_one_name_or_one_point_are_all_there() {
    assert_eq!((configured(), one() + two().await), (1, 3));
    assert_eq!(paths("catalogue.configured"), ["configured"]);
    assert_eq!(paths("catalogue.shared"), ["one", "two"]);
    assert_eq!(paths("catalogue.keys"), ["trailing_comma"]);
}
