use hookpoint::hooked;

#[hooked(point = "billing.charge")]
fn f(a: u32) -> usize {
    a as usize
}

#[hooked(point = "billing.charge")]
fn g() {}

#[hooked(point = "billing.charge")]
async fn h(a: u32) -> Option<u32> {
    Some(a)
}

fn main() {}
