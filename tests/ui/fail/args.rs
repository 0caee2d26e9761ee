use hookpoint::hooked;

#[hooked(point = "billing.charge", args(input, again = input))]
fn twice(input: String) -> Result<String, String> {
    Ok(input)
}

#[hooked(point = "billing.charge", args(input: json, self, input = &input))]
fn words(input: String) -> Result<String, String> {
    Ok(input)
}

#[hooked(point = "billing.charge", args(inptu))]
fn unknown(input: String, output: String) -> Result<String, String> {
    Ok(input + &output)
}

#[hooked(point = "billing.charge", args(text = &input.to_uppercase()))]
fn temporary(input: String) -> Result<String, String> {
    Ok(input)
}

#[hooked(point = "billing.charge", args(text = input.as_str()))]
fn borrows(input: String) -> Result<String, String> {
    Ok(input)
}

#[hooked(point = "billing.charge", args(value: typed))]
fn not_static<T>(value: T) -> Result<T, String> {
    Ok(value)
}

#[hooked(point = "billing.charge", skip)]
fn bare_skip(input: String) -> Result<String, String> {
    Ok(input)
}

fn main() {}
