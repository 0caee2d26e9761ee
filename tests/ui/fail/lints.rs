#![deny(dead_code, unused_variables, unused_mut, unused_must_use, unsafe_op_in_unsafe_fn, unreachable_pub)]
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

// As without the attribute: neither more nor less.
#[hooked(point = "billing.charge", observe)]
unsafe fn dereferences(pointer: *const u8) -> u8 {
    *pointer
}

mod private {
    #[hookpoint::hooked(point = "billing.charge", observe)]
    pub fn too_public(only_here: u8) {}
}

fn result() -> Result<(), String> {
    Ok(())
}

fn main() {
    unsafe { dereferences(&1) };
    private::too_public(1);
}
