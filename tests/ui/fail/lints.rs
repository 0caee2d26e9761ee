#![deny(dead_code, unused_variables, unused_mut, unused_must_use)]
use hookpoint::hooked;

#[hooked(point = "billing.charge")]
fn never_called(unused: u32, mut not_changed: u32) -> Result<u32, String> {
    result();
    Ok(not_changed)
}

#[hooked(point = "billing.charge")]
async fn never_called_async(unused: u32, mut not_changed: u32, reference: &str) -> Result<u32, String> {
    result();
    Ok(not_changed)
}

fn result() -> Result<(), String> {
    Ok(())
}

fn main() {}
