use hookpoint::hooked;

fn consume(text: String) -> String {
    text
}

#[hooked(point = "billing.charge", component = consume(input))]
fn component(input: String) -> Result<String, String> {
    Ok(input)
}

#[hooked(point = "billing.charge", args(text = consume(input)))]
fn argument(input: String) -> Result<String, String> {
    Ok(input)
}

#[hooked(point = "billing.charge", component = missing.name())]
fn unknown(input: String) -> Result<String, String> {
    Ok(input)
}

fn main() {}
