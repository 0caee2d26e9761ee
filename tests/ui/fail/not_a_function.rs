use hookpoint::hooked;

#[hooked(point = "billing.charge")]
struct S;

#[hooked(point = "billing.charge")]
enum E {}

#[hooked(point = "billing.charge")]
trait T {
    fn f(&self);
}

#[hooked(point = "billing.charge")]
mod m {}

#[hooked(point = "billing.charge")]
const C: fn() = main;

#[hooked(point = "billing.charge")]
static A: u8 = 1;

#[hooked(point = "billing.charge")]
use std::mem;

#[hooked(point = "billing.charge")]
type Alias = fn();

fn main() {
    let _ = (S, C, A);
}
