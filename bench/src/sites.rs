//! Functions that differ in their attributes only, and batches of calls to them.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use hookpoint::HookRefusal;

/// What the measured functions return.
pub type Answer = Result<u64, HookRefusal>;

/// The body: a nanosecond or two, so that what stands around it shows. Each function has a factor of its own:
/// of functions with the same code the compiler keeps one and makes the others jump to it, which costs as much
/// as an idle site.
#[inline(always)]
pub fn body<const FACTOR: u64>(a: u64, b: u64, label: &str) -> u64 {
    a.wrapping_mul(FACTOR) ^ b ^ label.len() as u64
}

/// An odd number of 31 bits for a name (FNV-1a).
pub const fn factor(name: &str) -> u64 {
    let (bytes, mut hash, mut at) = (name.as_bytes(), 0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash >> 1) as u64 | 1
}

/// Declares functions with that [`body`], one a line: `fn name;` or `async fn name;`, with attributes.
///
/// Each hooked one is a site of its own, so that the idle stay idle when hooks come to the others.
#[macro_export]
macro_rules! same_body {
    () => {};
    ($(#[$attribute:meta])* $vis:vis fn $name:ident; $($rest:tt)*) => {
        $(#[$attribute])*
        #[inline(never)]
        $vis fn $name(a: u64, b: u64, label: &str) -> $crate::sites::Answer {
            const FACTOR: u64 = $crate::sites::factor(concat!(module_path!(), stringify!($name)));
            Ok($crate::sites::body::<FACTOR>(a, b, label))
        }
        $crate::same_body! { $($rest)* }
    };
    ($(#[$attribute:meta])* $vis:vis async fn $name:ident; $($rest:tt)*) => {
        $(#[$attribute])*
        $vis async fn $name(a: u64, b: u64, label: &'static str) -> $crate::sites::Answer {
            const FACTOR: u64 = $crate::sites::factor(concat!(module_path!(), stringify!($name)));
            Ok($crate::sites::body::<FACTOR>(a, b, label))
        }
        $crate::same_body! { $($rest)* }
    };
}

/// Calls `call` n times with arguments that the compiler does not know.
pub fn sync_calls(call: impl Fn(u64, u64, &'static str) -> Answer) -> impl Fn(u64) {
    move |n| {
        let (b, label) = (black_box(3), black_box("label"));
        for i in 0..n {
            // Whatever the answer, it is used.
            let _answer = black_box(call(i, b, label));
        }
    }
}

/// The same for functions whose futures are ready when polled, awaited in a future that makes all n calls.
pub fn async_calls<F: Future<Output = Answer>>(
    call: impl Fn(u64, u64, &'static str) -> F,
) -> impl Fn(u64) {
    move |n| {
        let (b, label) = (black_box(3), black_box("label"));
        ready(async {
            for i in 0..n {
                let _answer = black_box(call(i, b, label).await);
            }
        });
    }
}

/// What a future gives that never waits.
///
/// # Panics
/// It waits.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a future that should be ready waits"),
    }
}
