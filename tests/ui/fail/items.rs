use hookpoint::hooked;

unsafe extern "C" {
    #[hooked(point = "billing.charge")]
    safe fn foreign(a: u8) -> u8;
}

#[hooked(point = "billing.charge")]
extern "C" {
    fn another(a: u8) -> u8;
}

#[hooked(point = "billing.charge")]
gen fn generator() -> u8 {
    yield 1;
}

#[hooked(point = "billing.charge", observe)]
#[unsafe(naked)]
extern "C" fn naked() {
    core::arch::naked_asm!("ret")
}

#[hooked(point = "billing.charge")]
macro_rules! made {
    () => {};
}

trait Static {
    #[hooked(point = "billing.charge")]
    fn made() -> Result<Self, String>
    where
        Self: Sized;
}

#[hooked(point = "billing.*")]
#[hookpoint::async_trait]
trait Whole {
    async fn f(&self) -> Result<(), String>;
}

fn main() {
    made!();
}
