//! Nothing that the attribute writes is a warning, or `unsafe`, in the user's crate.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unreachable_pub, unused, nonstandard_style, let_underscore)]
#![deny(rust_2018_idioms, future_incompatible, elided_lifetimes_in_paths, single_use_lifetimes)]
#![deny(unused_qualifications, unused_results, variant_size_differences, trivial_casts, absolute_paths_not_starting_with_crate)]

use hookpoint::hooked;

#[hooked(
    point = "billing.charge",
    component = name,
    fields(len = input.len()),
    args(input, first = &name[..1], size = *count),
    redirect = |to| (to == "other").then_some(other),
)]
fn sync(input: String, name: &str, count: &u64) -> Result<u64, String> { Ok(input.len() as u64 + name.len() as u64 + count) }

fn other(input: String, _: &str, count: &u64) -> Result<u64, String> {
    Ok(input.len() as u64 + count)
}

#[hooked(point = "billing.charge", retry, component = "x", on_refused = |r| r.to_string())]
async fn asynchronous(input: String, name: &str) -> Result<u64, String> { Ok(input.len() as u64 + name.len() as u64) }

#[hooked(point = "billing.charge", observe)]
fn watched(input: &mut Vec<u8>) -> Option<&mut u8> {
    input.first_mut()
}

#[hooked(point = "billing.list", stream, component = name)]
fn stream(name: &str) -> impl futures_util::Stream<Item = Result<&str, String>> { futures_util::stream::iter([Ok(name)]) }

fn main() {
    drop(stream("a"));
    assert_eq!(sync("a".into(), "b", &1), Ok(3));
    drop(asynchronous("a".into(), "b"));
    assert!(watched(&mut vec![1]).is_some());
    let _guard = hookpoint::hooks().intercept("pass", "billing.*", |_| ()).unwrap();
    assert_eq!(sync("a".into(), "b", &1), Ok(3));
    assert!(watched(&mut vec![1]).is_some());
}
