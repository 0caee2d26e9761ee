use hookpoint::hooked;

#[hooked(point = "billing.charge", componen = "x", frobnicate)]
fn f() -> Result<(), String> {
    Ok(())
}

fn main() {}
