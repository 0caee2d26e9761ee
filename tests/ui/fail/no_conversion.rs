use hookpoint::hooked;

#[derive(Debug)]
pub struct MyError;

#[hooked(point = "billing.charge")]
fn f(a: u32) -> Result<u32, MyError> {
    Ok(a)
}

#[hooked(point = "billing.charge")]
async fn g(a: u32) -> Result<u32, MyError> {
    Ok(a)
}

fn main() {}
