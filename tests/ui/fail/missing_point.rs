use hookpoint::hooked;

#[hooked]
fn f() -> Result<(), String> {
    Ok(())
}

#[hooked(point = "")]
fn g() -> Result<(), String> {
    Ok(())
}

#[hooked(observe)]
fn h() {}

fn main() {}
