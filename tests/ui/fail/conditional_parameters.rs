use hookpoint::hooked;

#[hooked(point = "billing.charge", args(gone, there, unknown))]
fn f(#[cfg(any())] gone: u8, #[cfg(all())] there: u8, always: u8) -> Result<u8, String> {
    Ok(there + always + "")
}

fn main() {
    let _ = f(1, 2);
}
