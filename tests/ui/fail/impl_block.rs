use hookpoint::hooked;

struct S;

#[hooked(point = "billing.charge")]
impl S {
    fn f(&self) -> Result<(), String> {
        Ok(())
    }
}

#[hooked(point = "tool.*")]
impl S {
    fn frobnicate(&self) -> Result<(), String> {
        Ok(())
    }
    fn execute(&self) -> u8 {
        1
    }
    const fn fixed(&self) -> u8 {
        1
    }
}

#[hooked(skip)]
fn alone() {}

fn main() {}
