use hookpoint::hooked;

#[hooked(point = "billing.charge", on_refused = |_| a)]
fn f(a: u32) -> u32 {
    a
}

#[hooked(point = "billing.charge", on_refused = |_| "no")]
fn g(a: u32) -> Result<u32, String> {
    Ok(a)
}

#[hooked(point = "billing.charge", observe, on_refused = |_| 0)]
fn h(a: u32) -> u32 {
    a
}

fn main() {
    let _ = f(1);
}
