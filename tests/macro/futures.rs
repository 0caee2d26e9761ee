//! Functions that return futures: when their hooks come, and what their types may be.

#![deny(warnings)]

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hookpoint::{HookError, HookGuard, HookRefusal, HookResult, hooked, hooks};

use crate::behaviour::pause;

// The error type is known from the signature alone ---------------------------------------------------

#[hooked(point = "futures.inferred", future)]
fn inferred() -> impl Future<Output = Result<u8, HookRefusal>> {
    async { Ok(1) }
}

#[hooked(point = "futures.inferred", future)]
fn inferred_box() -> Pin<Box<dyn Future<Output = Result<u8, HookRefusal>> + Send>> {
    Box::pin(async { Ok(1) })
}

#[hooked(point = "futures.inferred", future)]
fn inferred_text<'a>(name: &'a str) -> impl Future<Output = Result<&'a str, String>> + Send {
    async move { Ok(name) }
}

#[hooked(point = "futures.inferred", future)]
fn inferred_opaque(n: u8) -> impl Future<Output = Result<impl Iterator<Item = u8>, String>> {
    async move { Ok(0..n) }
}

#[hooked(point = "futures.inferred", future, observe)]
fn unit(log: Arc<Mutex<Vec<u8>>>) -> impl Future<Output = ()> {
    async move { log.lock().unwrap().push(1) }
}

#[hooked(point = "futures.inferred")]
async fn refusal(n: u8) -> Result<u8, HookRefusal> {
    Ok(n)
}

#[tokio::test]
async fn what_an_async_block_leaves_open_is_taken_from_the_signature() {
    for refused in [false, true] {
        let _no = hooks()
            .intercept("futures.no", "futures.inferred", move |cx| {
                match refused && !cx.site().flags.observe {
                    true => HookResult::cancel("no"),
                    false => HookResult::Continue,
                }
            })
            .unwrap();
        let log = Arc::default();
        unit(Arc::clone(&log)).await;
        assert_eq!(*log.lock().unwrap(), [1]);
        assert_eq!(inferred().await.is_err(), refused);
        assert_eq!(inferred_box().await.is_err(), refused);
        assert_eq!(inferred_text("x").await.is_err(), refused);
        assert_eq!(inferred_opaque(3).await.is_err(), refused);
        assert_eq!(refusal(3).await.is_err(), refused);
    }
}

// When it is decided whether somebody listens --------------------------------------------------------

#[async_trait]
trait Tool: Sync {
    async fn run(&self, text: String) -> Result<String, String>;
}

struct Echo(&'static str);
static ECHO: Echo = Echo("!");

#[async_trait]
impl Tool for Echo {
    #[hooked(point = "futures.late", component = self.0, args(text, size = text.len()))]
    async fn run(&self, mut text: String) -> Result<String, String> {
        pause().await;
        text.push_str(self.0);
        Ok(text)
    }
}

#[hooked(point = "futures.late")]
async fn plain(text: String) -> Result<String, String> {
    Ok(text + "!")
}

#[hooked(point = "futures.late", future)]
fn returned(text: String) -> impl Future<Output = Result<String, String>> {
    async move { Ok(text + "!") }
}

#[hooked(point = "futures.late", future)]
fn boxed(text: String) -> Pin<Box<dyn Future<Output = Result<String, String>>>> {
    Box::pin(async move { Ok(text + "!") })
}

fn suffix(id: &str, point: &str) -> HookGuard {
    hooks()
        .on(id)
        .point(point)
        .post()
        .intercept(|cx| {
            cx.result_mut::<String>()?.push('?');
            Ok::<_, HookError>(())
        })
        .unwrap()
}

#[tokio::test]
async fn a_future_finds_its_hooks_when_it_is_first_polled() {
    let make = || {
        (
            ECHO.run("a".into()),
            plain("b".into()),
            returned("c".into()),
            boxed("d".into()),
        )
    };
    let early = make();
    let guard = suffix("futures.suffix", "futures.late");
    assert_eq!(early.0.await.unwrap(), "a!?");
    assert_eq!(early.1.await.unwrap(), "b!?");
    assert_eq!(early.2.await.unwrap(), "c!?");
    // The user's own box is handed out as it is: hooking it later would take a second one.
    assert_eq!(early.3.await.unwrap(), "d!");
    assert_eq!(boxed("d".into()).await.unwrap(), "d!?");

    let late = make();
    drop(guard);
    assert_eq!(late.0.await.unwrap(), "a!");
    assert_eq!(late.1.await.unwrap(), "b!");
    assert_eq!(late.2.await.unwrap(), "c!");
    assert_eq!(late.3.await.unwrap(), "d!");
}

/// `#[async_trait]` by hand, in a form that is not a box around one block.
trait ByHand {
    fn run<'life0, 'async_trait>(
        &'life0 self,
        text: String,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait;
}

struct ByHandEcho;

impl ByHand for ByHandEcho {
    #[hooked(point = "futures.by_hand")]
    fn run<'life0, 'async_trait>(
        &'life0 self,
        text: String,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let text = text + "!";
        Box::pin(async move { Ok(text) })
    }
}

#[tokio::test]
async fn a_box_that_is_not_around_one_block_is_hooked_when_it_is_made() {
    let early = ByHandEcho.run("a".into());
    let _guard = suffix("futures.by_hand", "futures.by_hand");
    assert_eq!(early.await.unwrap(), "a!");
    assert_eq!(ByHandEcho.run("a".into()).await.unwrap(), "a!?");
}

// Streams ------------------------------------------------------------------------------------------

/// Something that is asked again and again, as a stream is.
#[hooked(point = "futures.stream")]
async fn numbers(count: u8) -> Result<impl Iterator<Item = u8>, String> {
    pause().await;
    Ok((0..count).map(|n| n + 1))
}

#[tokio::test]
async fn what_is_produced_later_is_not_part_of_the_call() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = log.clone();
    let _seen = hooks()
        .observe("futures.stream.seen", "futures.stream", move |record| {
            sink.lock().unwrap().push(record.outcome());
        })
        .unwrap();
    let mut numbers = numbers(2).await.unwrap();
    // The call is over when the value is there, not when the value has given all it has.
    assert_eq!(*log.lock().unwrap(), [hookpoint::Outcome::Returned]);
    assert_eq!(
        (numbers.next(), numbers.next(), numbers.next()),
        (Some(1), Some(2), None)
    );
    assert_eq!(log.lock().unwrap().len(), 1);
}
