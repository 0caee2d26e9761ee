use hookpoint::{async_trait, hooked};

trait Plain {
    #[hooked(point = "billing.charge")]
    fn f(&self) -> Result<(), String>;
    #[hooked(point = "billing.charge")]
    async fn g(&self) -> Result<(), String>;
}

#[async_trait]
trait Boxed {
    #[hooked(point = "billing.charge")]
    async fn f(&self) -> Result<(), String>;
}

fn main() {}
