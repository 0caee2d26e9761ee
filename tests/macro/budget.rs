//! What a hooked future costs in bytes: its arguments a second time and 16 at most.

use async_trait::async_trait;
use hookpoint::hooked;

struct Input {
    number: u64,
    text: String,
}

async fn tick() {}

/// The same function twice, without and with the attribute.
macro_rules! pair {
    (fn $plain:ident, $hooked:ident ($($arg:ident: $ty:ty),*) -> $ret:ty $body:block) => {
        async fn $plain($($arg: $ty),*) -> $ret $body
        #[hooked(point = "budget.size")]
        async fn $hooked($($arg: $ty),*) -> $ret $body
    };
}

pair!(fn mixed, mixed_hooked (input: Input, name: &str, count: &mut u64) -> Result<u64, String> {
    tick().await;
    *count += 1;
    Ok(input.number + (input.text.len() + name.len()) as u64)
});
pair!(fn numbers, numbers_hooked (a: u64, b: u64) -> Result<u64, String> {
    tick().await;
    Ok(a + b)
});
pair!(fn large, large_hooked (a: [u8; 256]) -> Result<u8, String> {
    tick().await;
    Ok(a[0])
});
pair!(fn owned, owned_hooked (a: String) -> Result<String, String> {
    tick().await;
    Ok(a)
});

#[async_trait]
trait Tool: Sync {
    async fn run(&self, input: Input, name: &str) -> Result<u64, String>;
}

struct Plain;
struct Hooked;

#[async_trait]
impl Tool for Plain {
    async fn run(&self, input: Input, name: &str) -> Result<u64, String> {
        tick().await;
        Ok(input.number + (input.text.len() + name.len()) as u64)
    }
}

#[async_trait]
impl Tool for Hooked {
    #[hooked(point = "budget.size")]
    async fn run(&self, input: Input, name: &str) -> Result<u64, String> {
        tick().await;
        Ok(input.number + (input.text.len() + name.len()) as u64)
    }
}

#[test]
fn futures_stay_small() {
    let input = || Input {
        number: 1,
        text: String::new(),
    };
    let mut count = 0;
    let plain = size_of_val(&mixed(input(), "", &mut count));
    let hooked = size_of_val(&mixed_hooked(input(), "", &mut count));
    let sizes = [
        (size_of::<(Input, &str, &mut u64)>(), plain, hooked),
        (
            size_of::<(u64, u64)>(),
            size_of_val(&numbers(1, 2)),
            size_of_val(&numbers_hooked(1, 2)),
        ),
        (
            size_of::<[u8; 256]>(),
            size_of_val(&large([0; 256])),
            size_of_val(&large_hooked([0; 256])),
        ),
        (
            size_of::<String>(),
            size_of_val(&owned(String::new())),
            size_of_val(&owned_hooked(String::new())),
        ),
        (
            size_of::<(&Plain, Input, &str)>(),
            size_of_val(&*Plain.run(input(), "")),
            size_of_val(&*Hooked.run(input(), "")),
        ),
    ];
    for (arguments, plain, hooked) in sizes {
        assert!(
            hooked <= plain + arguments + 16,
            "{hooked} bytes, plain {plain}, arguments {arguments}"
        );
    }
}
