use hookpoint::hooked;

#[hooked(point = "billing.charge", future)]
fn tuple() -> (impl Future<Output = Result<(), String>>, u8) {
    (async { Ok(()) }, 1)
}

struct Wrapper<F>(F);

#[hooked(point = "billing.charge", future)]
fn wrapped() -> Wrapper<impl Future<Output = Result<(), String>>> {
    Wrapper(async { Ok(()) })
}

#[hooked(point = "billing.charge", future)]
fn nothing() {}

#[hooked(point = "billing.charge", future)]
async fn twice() -> Result<(), String> {
    Ok(())
}

#[hooked(point = "billing.charge", future, retry, args(a), redirect = |_| None, blocking)]
fn keys(a: u8) -> impl Future<Output = Result<u8, String>> {
    async move { Ok(a) }
}

fn main() {}
