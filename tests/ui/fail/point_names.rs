use hookpoint::hooked;

#[hooked(point = "tool.exekute")]
fn reserved() -> Result<(), String> {
    Ok(())
}

#[hooked(point = "tol.execute")]
fn one_letter_off() -> Result<(), String> {
    Ok(())
}

#[hooked(point = "Billing.Charge")]
fn upper_case() -> Result<(), String> {
    Ok(())
}

#[hooked(point = 5)]
fn number() -> Result<(), String> {
    Ok(())
}

#[hooked(point = format!("billing.{}", 1))]
fn run_time() -> Result<(), String> {
    Ok(())
}

#[hooked(point = name())]
fn call() -> Result<(), String> {
    Ok(())
}

const BAD: &str = "billing";
#[hooked(point = BAD)]
fn constant() -> Result<(), String> {
    Ok(())
}

fn name() -> &'static str {
    "billing.charge"
}

fn main() {}
