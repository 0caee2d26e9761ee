use hookpoint::hooked;

fn main() {
    let closure = #[hooked(point = "billing.charge")]
    |a: u8| a;
    #[hooked(point = "billing.charge")]
    let statement = 1;
    closure(statement);
}
