use hookpoint::hooked;

#[hooked(point = "billing.charge")]
fn f(a: u32) -> usize {
    a as usize
}

#[hooked(point = "billing.charge")]
fn g() {}

#[hooked(point = "billing.charge")]
async fn h(a: u32) -> bool {
    a > 0
}

fn main() {}
