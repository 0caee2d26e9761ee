use futures_util::stream::{Empty, Stream};
use hookpoint::hooked;

#[hooked(point = "billing.list", stream)]
fn named() -> Empty<Result<(), String>> {
    futures_util::stream::empty()
}

#[hooked(point = "billing.list", stream)]
fn tuple() -> (impl Stream<Item = Result<(), String>>, u8) {
    (futures_util::stream::empty(), 1)
}

#[hooked(point = "billing.list", stream)]
fn nothing() {}

#[hooked(point = "billing.list", stream)]
async fn asynchronous() -> impl Stream<Item = Result<(), String>> {
    futures_util::stream::empty()
}

#[hooked(point = "billing.list", stream, retry, args(a), redirect = |_| None, blocking)]
fn keys(a: u8) -> impl Stream<Item = Result<u8, String>> {
    futures_util::stream::iter([Ok(a)])
}

#[hooked(point = "billing.list", stream, future)]
fn both() -> impl Stream<Item = Result<u8, String>> {
    futures_util::stream::empty()
}

fn main() {}
