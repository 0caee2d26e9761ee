use hookpoint::hooked;

struct S(String);

impl S {
    #[hooked(point = "billing.charge", retry)]
    fn consumes(self) -> Result<(), String> {
        Ok(())
    }
    #[hooked(point = "billing.charge", retry)]
    async fn exclusive(&mut self) -> Result<(), String> {
        Ok(())
    }
    #[hooked(point = "billing.charge", retry)]
    fn lends(&self, into: &mut String) -> Result<(), String> {
        into.push_str(&self.0);
        Ok(())
    }
}

fn main() {}
