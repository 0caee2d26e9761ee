use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use hookpoint::hooked;

#[hooked(point = "billing.list", stream)]
fn no_result(n: usize) -> impl Stream<Item = String> {
    stream::iter(vec![n.to_string()])
}

struct Mine;

#[hooked(point = "billing.list", stream)]
fn no_conversion() -> BoxStream<'static, Result<u8, Mine>> {
    stream::iter([Ok(1)]).boxed()
}

#[hooked(point = "billing.list", stream)]
fn another_item() -> impl Stream<Item = Result<u8, String>> {
    stream::iter([1_u8])
}

#[hooked(point = "billing.list", stream)]
fn no_stream() -> impl Stream<Item = Result<u8, String>> {
    vec![Ok(1)]
}

fn main() {}
