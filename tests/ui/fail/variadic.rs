use hookpoint::hooked;

#[hooked(point = "billing.charge", observe)]
unsafe extern "C" fn variadic(a: u8, rest: ...) -> u8 {
    a
}

#[hooked(point = "billing.charge", observe)]
const unsafe extern "C" fn constant(a: u8, rest: ...) -> u8 {
    a
}

fn main() {}
