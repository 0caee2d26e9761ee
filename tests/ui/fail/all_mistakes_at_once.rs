use hookpoint::hooked;

#[hooked(
    point = "tool.exekute",
    observe = true,
    closed, closed,
    args(inpt),
    skip(nothing),
    component,
    fields(attempt),
    crate = relative::path,
)]
fn f(input: String) -> Result<(), String> {
    Ok(())
}

fn main() {
    let _ = f(String::new());
}
