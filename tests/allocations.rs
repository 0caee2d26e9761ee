//! What an idle site asks of the allocator: what the plain function asks, and not once more.

use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use hookpoint::hooked;
use hookpoint_regress::allocations::{CountingAllocator, of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The same functions twice, without and with the attribute.
macro_rules! functions {
    ($name:ident, $($attribute:tt)*) => {
        mod $name {
            use super::*;

            $($attribute)*
            pub(super) fn sync(text: String, n: u64) -> Result<usize, String> {
                Ok(text.len() + n as usize)
            }

            $($attribute)*
            pub(super) async fn asynchronous(text: String, n: u64) -> Result<usize, String> {
                std::future::ready(()).await;
                Ok(text.len() + n as usize)
            }

            pub(super) struct Tool(pub(super) u64);

            #[async_trait]
            impl Run for Tool {
                $($attribute)*
                async fn run(&self, text: String) -> Result<usize, String> {
                    std::future::ready(()).await;
                    Ok(text.len() + self.0 as usize)
                }
            }
        }
    };
}

#[async_trait]
trait Run {
    async fn run(&self, text: String) -> Result<usize, String>;
}

functions!(plain,);
functions!(with_hooks, #[hooked(point = "allocations.idle", component = "idle")]);

macro_rules! futures {
    ($name:ident, $($attribute:tt)*) => {
        mod $name {
            use super::*;

            $($attribute)*
            pub(super) fn opaque(text: String) -> impl Future<Output = Result<usize, String>> {
                async move { Ok(text.len()) }
            }

            $($attribute)*
            pub(super) fn boxed(text: String) -> Pin<Box<dyn Future<Output = Result<usize, String>>>> {
                Box::pin(async move { Ok(text.len()) })
            }
        }
    };
}

futures!(plain_futures,);
futures!(hooked_futures, #[hooked(point = "allocations.idle", future)]);

/// The value of a future that is ready at its first poll.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

/// How often each of the functions allocates, after it ran once.
macro_rules! counts {
    ($functions:ident, $futures:ident) => {{
        let tool = $functions::Tool(1);
        let mut rows: [&dyn Fn(); 5] = [
            &|| drop(black_box($functions::sync(String::new(), 1))),
            &|| drop(black_box(ready($functions::asynchronous(String::new(), 1)))),
            &|| drop(black_box(ready(tool.run(String::new())))),
            &|| drop(black_box(ready($futures::opaque(String::new())))),
            &|| drop(black_box(ready($futures::boxed(String::new())))),
        ];
        rows.each_mut().map(|row| {
            // The first call makes the site known.
            row();
            of(*row)
        })
    }};
}

#[test]
fn an_idle_site_allocates_what_the_plain_function_does() {
    let plain = counts!(plain, plain_futures);
    let hooked = counts!(with_hooks, hooked_futures);
    // The boxes of `#[async_trait]` and of the function that returns one.
    assert_eq!(plain, [0, 0, 1, 0, 1]);
    assert_eq!(hooked, plain);
}
