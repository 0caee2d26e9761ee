use hookpoint::hooked;

#[hooked(point = "billing.charge")]
const fn f() -> Result<(), String> {
    Ok(())
}

const X: Result<(), String> = f();

fn main() {
    let _ = X;
}
