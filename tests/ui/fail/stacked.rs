use hookpoint::hooked;

// Each mistake is reported once, whichever of the attributes it is in.
#[hooked(point = "tool.exekute")]
#[hooked(point = "billing.charge", bogus)]
#[hooked(point = "billing.charge", args(nothing))]
fn three(a: u8) -> Result<u8, String> {
    Ok(a)
}

#[hooked(point = "billing.charge")]
#[hooked]
fn one_without_a_point(a: u8) -> Result<u8, String> {
    Ok(a)
}

fn main() {
    let _ = (three(1), one_without_a_point(1));
}
