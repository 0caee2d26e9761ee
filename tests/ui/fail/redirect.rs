use hookpoint::hooked;

fn other(a: u8) -> u8 {
    a
}

#[hooked(point = "billing.charge", redirect = |to| (to == "other").then_some(other))]
fn wrong_arguments(a: String) -> Result<u8, String> {
    Ok(a.len() as u8)
}

#[hooked(point = "billing.charge", redirect = "other")]
fn no_function(a: String) -> Result<u8, String> {
    Ok(a.len() as u8)
}

fn main() {}
