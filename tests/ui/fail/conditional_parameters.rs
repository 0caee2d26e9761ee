use hookpoint::hooked;

#[hooked(point = "billing.charge", args(gone, there, unknown))]
fn f(#[cfg(any())] gone: u8, #[cfg(all())] there: u8, always: u8) -> Result<u8, String> {
    let wrong: u8 = "";
    Ok(there + always + wrong)
}

fn main() {
    let _ = f(1, 2);
}
