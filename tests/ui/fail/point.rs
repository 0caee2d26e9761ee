use hookpoint::{hooked, point};

point!(pub CHARGE = "billing.charge" { account: String, cents: u64 } -> Result<(), String>);

#[hooked(point = CHARGE)]
fn charge(account: String, amount: u64) -> Result<(), String> {
    let _ = (account, amount);
    Ok(())
}

point!(pub TYPO = "tool.exekute" { a: u8, a: u8, text: &str });

point!(pub fn nonsense());

fn main() {
    let _ = charge(String::new(), 1);
}
