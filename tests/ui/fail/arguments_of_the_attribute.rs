use hookpoint::hooked;

#[hooked("billing.charge")]
fn bare_literal() -> Result<(), String> {
    Ok(())
}

#[hooked(point("billing.charge"))]
fn parentheses() -> Result<(), String> {
    Ok(())
}

#[hooked(hooked(point = "billing.charge"))]
fn nested() -> Result<(), String> {
    Ok(())
}

#[hooked = "billing.charge"]
fn name_and_value() -> Result<(), String> {
    Ok(())
}

#[hooked(point: "billing.charge", observe)]
fn colon() -> Result<(), String> {
    Ok(())
}

#[hooked(point = "billing.charge" observe closed)]
fn no_commas() -> Result<(), String> {
    Ok(())
}

#[hooked(point = b"billing.charge", retry = 3, component("x"), fields = 1, skip = a, on_refused)]
fn forms(a: u8) -> Result<u8, String> {
    Ok(a)
}

#[hooked(point = "billing.charge", point = "billing.other", component = 1, component = 2, args(), args(a))]
fn twice(a: u8) -> Result<u8, String> {
    Ok(a)
}

#[hooked(point = "billing.charge", crate = hooks)]
fn relative() -> Result<(), String> {
    Ok(())
}

#[hooked(point = "billing.charge", crate = ::nowhere)]
fn unknown_crate() -> Result<(), String> {
    Ok(())
}

fn main() {}
