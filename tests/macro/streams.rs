//! The key `stream`: what it does to the functions that return streams, idle and active. What hooks may do with
//! the items is in `tests/semantics/streams.rs`.

#![deny(warnings, unused)]
#![deny(clippy::all)]

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::stream::{self, BoxStream, LocalBoxStream};
use futures_util::{Stream, StreamExt};
use hookpoint::test::registry;
use hookpoint::{HookRefusal, HookResult, Outcome, hooked, hooks};

use crate::shapes::is_send;

type Res<T> = Result<T, String>;

// Every form ---------------------------------------------------------------------------------------

struct Model {
    words: Vec<String>,
    asked: AtomicUsize,
}

impl Model {
    #[hooked(point = "stream.method", stream, component = "echo", fields(prompt = prompt))]
    fn chat(&self, prompt: &str) -> impl Stream<Item = Res<String>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let prompt = prompt.to_owned();
        stream::iter(&self.words).map(move |word| Ok(format!("{prompt} {word}")))
    }

    /// The stream borrows `self` and not the prompt.
    #[hooked(point = "stream.method", stream)]
    fn captures<'a>(&'a self, prompt: &str) -> impl Stream<Item = Res<&'a str>> + Send + use<'a> {
        let len = prompt.len();
        stream::iter(&self.words).map(move |word| word.get(..len).ok_or_else(|| word.clone()))
    }

    #[hooked(point = "stream.method", stream)]
    fn boxed(&self, n: usize) -> Pin<Box<dyn Stream<Item = Res<&str>> + Send + '_>> {
        Box::pin(stream::iter(
            self.words.iter().take(n).map(|word| Ok(&**word)),
        ))
    }

    #[hooked(point = "stream.method", stream)]
    fn alias(&self) -> BoxStream<'_, Res<usize>> {
        if self.words.is_empty() {
            return stream::empty().boxed();
        }
        stream::iter(self.words.iter().map(|word| Ok(word.len()))).boxed()
    }

    #[hooked(point = "stream.method", stream)]
    fn local(&self) -> LocalBoxStream<'static, Res<usize>> {
        let shared = Rc::new(self.words.len());
        stream::once(async move { Ok(*shared) }).boxed_local()
    }

    #[hooked(point = "stream.method", stream)]
    fn consumes(self) -> impl Stream<Item = Res<String>> {
        stream::iter(self.words).map(Ok)
    }
}

trait Source {
    fn items(&mut self) -> impl Stream<Item = Res<u64>> + Send;
    fn dynamic(&self) -> BoxStream<'_, std::io::Result<u64>>;
    #[hooked(point = "stream.trait", stream)]
    fn provided(&self) -> impl Stream<Item = Res<u64>> {
        stream::iter([Ok(1)])
    }
}

struct Counter(u64);

impl Source for Counter {
    #[hooked(point = "stream.trait", stream)]
    fn items(&mut self) -> impl Stream<Item = Res<u64>> + Send {
        stream::iter(0..3).map(|n| {
            self.0 += n;
            Ok(self.0)
        })
    }
    #[hooked(point = "stream.trait", stream)]
    fn dynamic(&self) -> BoxStream<'_, std::io::Result<u64>> {
        Box::pin(stream::once(async { Ok(self.0) }))
    }
}

#[hooked(point = "stream.generic", stream)]
fn generic<T: Clone, const N: usize>(items: [T; N]) -> impl Stream<Item = Res<T>> + Unpin {
    stream::iter(items).map(Ok)
}

/// The stream of `async_stream` is a future in disguise: it must never move once it was polled.
#[hooked(point = "stream.generated", stream)]
fn generated(words: &[&str]) -> impl Stream<Item = Res<String>> {
    async_stream::try_stream! {
        for word in words {
            tokio::task::yield_now().await;
            let word: Res<String> = match *word {
                "bad" => Err("a bad word".to_owned()),
                good => Ok(good.to_owned()),
            };
            yield word?;
        }
    }
}

#[hooked(point = "stream.plain", stream, on_refused = |refusal| refusal.to_string())]
fn plain_items(n: usize) -> impl Stream<Item = String> {
    stream::iter((0..n).map(|n| n.to_string()))
}

#[hooked(point = "stream.unit", stream, observe)]
fn units(n: usize) -> impl Stream<Item = ()> {
    stream::iter(std::iter::repeat_n((), n))
}

async fn every_form() {
    let asked = AtomicUsize::new(0);
    let words = vec!["one".to_owned(), "two".to_owned()];
    let model = Model { words, asked };
    let said: Vec<_> = is_send(model.chat("a")).collect().await;
    assert_eq!(said, [Ok("a one".into()), Ok("a two".into())]);
    let captured = model.captures(&String::from("ab"));
    let expected = [Ok("on"), Ok("tw")];
    assert_eq!(is_send(captured).collect::<Vec<_>>().await, expected);
    assert_eq!(model.boxed(1).collect::<Vec<_>>().await, [Ok("one")]);
    assert_eq!(model.alias().collect::<Vec<_>>().await, [Ok(3), Ok(3)]);
    assert_eq!(model.local().collect::<Vec<_>>().await, [Ok(2)]);
    assert_eq!(model.consumes().count().await, 2);
    let mut counter = Counter(5);
    let items: Vec<_> = is_send(counter.items()).collect().await;
    assert_eq!(items, [Ok(5), Ok(6), Ok(8)]);
    let dynamic: Vec<_> = is_send(counter.dynamic()).collect().await;
    assert!(matches!(dynamic[..], [Ok(8)]));
    assert_eq!(counter.provided().collect::<Vec<_>>().await, [Ok(1)]);
    assert_eq!(generic(["x"; 2]).next().await, Some(Ok("x")));
    let words: Vec<_> = is_send(generated(&["a", "bad", "b"])).collect().await;
    assert_eq!(words, [Ok("a".into()), Err("a bad word".into())]);
    assert_eq!(plain_items(2).collect::<Vec<_>>().await, ["0", "1"]);
    assert_eq!(units(4).count().await, 4);
}

#[tokio::test]
async fn every_form_gives_the_same_items_idle_and_active() {
    every_form().await;
    let pending = Arc::new(AtomicU64::new(0));
    let seen = pending.clone();
    let guard = hooks()
        .on("every-form")
        .point("stream.*")
        .pre()
        .post()
        .error()
        .intercept_async_with(seen, |seen, _cx| {
            Box::pin(async move {
                tokio::task::yield_now().await;
                seen.fetch_add(1, Ordering::SeqCst);
                Ok(HookResult::Continue)
            })
        })
        .unwrap();
    every_form().await;
    assert!(pending.load(Ordering::SeqCst) > 30);
    guard.close().await.unwrap();
    every_form().await;
}

// Send ---------------------------------------------------------------------------------------------

#[hooked(point = "stream.send", stream)]
fn of_an_rc(n: Rc<u64>) -> impl Stream<Item = Res<u64>> {
    stream::iter(0..*n).map(move |m| Ok(m + *n))
}

/// Ambiguous, so that it does not compile, if the value is `Send`.
macro_rules! assert_not_send {
    ($value:expr) => {{
        trait AmbiguousIfSend<A> {
            fn check(&self) {}
        }
        impl<T: ?Sized> AmbiguousIfSend<()> for T {}
        struct IsSend;
        impl<T: ?Sized + Send> AmbiguousIfSend<IsSend> for T {}
        let value = $value;
        AmbiguousIfSend::check(&value);
        value
    }};
}

#[test]
fn a_stream_is_send_exactly_when_it_was() {
    drop(is_send(generated(&[])));
    drop(is_send(generic([1_u8])));
    let stream = assert_not_send!(of_an_rc(Rc::new(2)));
    let kit = registry();
    let _entered = kit.enter();
    let items = futures_util::FutureExt::now_or_never(stream.collect::<Vec<_>>());
    assert_eq!(items.unwrap(), [Ok(2), Ok(3)]);
}

// When things happen -------------------------------------------------------------------------------

type Log = Arc<Mutex<Vec<&'static str>>>;

#[hooked(point = "stream.when", stream)]
fn logged(log: Log) -> impl Stream<Item = Res<u8>> {
    log.lock().unwrap().push("call");
    stream::iter([1, 2]).map(move |n| {
        log.lock().unwrap().push("item");
        Ok(n)
    })
}

#[hooked(point = "stream.when", stream)]
fn logged_box(log: Log) -> BoxStream<'static, Res<u8>> {
    log.lock().unwrap().push("call");
    stream::once(async move {
        log.lock().unwrap().push("item");
        Ok(1)
    })
    .boxed()
}

/// Without the key, the call that makes the stream is what hooks see.
#[hooked(point = "stream.when")]
async fn creation(log: Log) -> Res<impl Stream<Item = u8>> {
    log.lock().unwrap().push("call");
    Ok(stream::iter([1, 2]).inspect(move |_| log.lock().unwrap().push("item")))
}

#[tokio::test]
async fn the_call_is_made_at_once_and_hooks_come_with_the_first_poll() {
    let log: Log = Arc::default();
    let take = || std::mem::take(&mut *log.lock().unwrap());
    let kit = registry();
    let hook = log.clone();
    kit.on("when")
        .point("stream.when")
        .pre()
        .post()
        .intercept(move |cx| {
            let before = cx.phase() == hookpoint::Phase::Pre;
            let word = if before { "pre" } else { "post" };
            hook.lock().unwrap().push(word);
        })
        .unwrap()
        .forget();
    kit.wrap(async {
        let stream = logged(log.clone());
        assert_eq!(take(), ["call"]);
        assert_eq!(stream.collect::<Vec<_>>().await, [Ok(1), Ok(2)]);
        assert_eq!(take(), ["pre", "item", "post", "item", "post"]);

        let stream = logged_box(log.clone());
        assert_eq!(take(), ["call"]);
        assert_eq!(stream.collect::<Vec<_>>().await, [Ok(1)]);
        assert_eq!(take(), ["pre", "item", "post"]);

        let stream = creation(log.clone()).await.unwrap();
        assert_eq!(take(), ["pre", "call", "post"]);
        assert_eq!(stream.collect::<Vec<_>>().await, [1, 2]);
        assert_eq!(take(), ["item", "item"]);

        // Never polled: never a call, for any form.
        drop((logged(log.clone()), logged_box(log.clone())));
        assert_eq!(take(), ["call", "call"]);
    })
    .await;
    assert_eq!(kit.records().len(), 3);
}

#[test]
fn a_call_goes_on_with_the_hooks_that_it_began_with() {
    #[hooked(point = "stream_begun.site", stream)]
    fn begun() -> impl Stream<Item = Res<u8>> {
        stream::iter([Ok(1), Ok(2)])
    }
    let mut cx = Context::from_waker(Waker::noop());
    let (mut first, mut second) = (Box::pin(begun()), Box::pin(begun()));
    assert_eq!(second.size_hint(), (0, Some(2)), "it may be refused");
    assert_eq!(first.as_mut().poll_next(&mut cx), Poll::Ready(Some(Ok(1))));
    let _late = hooks()
        .on("late")
        .point("stream_begun.*")
        .intercept(|_| HookResult::cancel("too late"))
        .unwrap();
    assert_eq!(first.as_mut().poll_next(&mut cx), Poll::Ready(Some(Ok(2))));
    // It was made before the hook, and begins after it.
    let item = second.as_mut().poll_next(&mut cx);
    assert!(matches!(item, Poll::Ready(Some(Err(e))) if e.contains("too late")));
    for stream in [first, second] {
        let mut stream = stream;
        for _ in 0..3 {
            assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(None));
        }
    }
}

// What a refusal is --------------------------------------------------------------------------------

#[derive(Debug)]
enum Denied {
    Refused(HookRefusal),
}

impl From<HookRefusal> for Denied {
    fn from(refusal: HookRefusal) -> Self {
        Denied::Refused(refusal)
    }
}

#[hooked(point = "stream.refused", stream)]
fn denied(n: u8) -> impl Stream<Item = Result<u8, Denied>> {
    stream::iter((0..n).map(Ok))
}

#[hooked(point = "stream.refused", stream)]
fn denied_box(n: u8) -> BoxStream<'static, std::io::Result<u8>> {
    stream::iter((0..n).map(Ok)).boxed()
}

#[hooked(point = "stream.refused", stream, on_refused = |refusal| format!("no: {}", refusal.reason()))]
fn denied_plain(n: u8) -> impl Stream<Item = String> {
    stream::iter((0..n).map(|n| n.to_string()))
}

#[tokio::test]
async fn a_refusal_becomes_an_item() {
    let kit = registry();
    kit.on("no")
        .point("stream.refused")
        .intercept(|_| HookResult::cancel("not now"))
        .unwrap()
        .forget();
    kit.wrap(async {
        let items: Vec<_> = denied(3).collect().await;
        assert!(matches!(&items[..], [Err(Denied::Refused(r))] if r.reason() == "not now"));
        let items: Vec<_> = denied_box(3).collect().await;
        assert!(matches!(&items[..], [Err(e)] if e.to_string().contains("not now")));
        let items: Vec<_> = denied_plain(3).collect().await;
        assert_eq!(items, ["no: not now"]);
    })
    .await;
    let records = kit.records();
    assert_eq!(records.len(), 3);
    for record in records {
        assert_eq!(
            (record.outcome(), record.items()),
            (Outcome::Refused, Some(0))
        );
    }
}

#[tokio::test]
async fn component_and_fields_are_those_of_the_call() {
    let kit = registry();
    kit.on("no")
        .point("stream.method")
        .for_component("echo")
        .intercept(|cx| match cx.field("prompt").and_then(|p| p.as_str()) {
            Some("secret") => HookResult::cancel("a secret"),
            _ => HookResult::Continue,
        })
        .unwrap()
        .forget();
    let asked = AtomicUsize::new(0);
    let words = vec!["one".to_owned()];
    let model = Model { words, asked };
    kit.wrap(async {
        assert_eq!(model.chat("open").count().await, 1);
        let items: Vec<_> = model.chat("secret").collect().await;
        assert!(matches!(&items[..], [Err(e)] if e.contains("a secret")));
    })
    .await;
    assert_eq!(model.asked.load(Ordering::SeqCst), 2);
    assert_eq!(kit.records()[0].component(), Some("echo"));
}

#[test]
fn the_catalogue_says_that_it_is_a_stream() {
    let find = |name: &str| {
        let ends = format!("::streams::{name}");
        let mut sites = hookpoint::sites().into_iter().map(|site| site.info());
        sites.find(|info| info.path.ends_with(&ends)).unwrap()
    };
    let info = find("denied");
    assert!(info.flags.is_stream && info.flags.is_async && !info.flags.repeatable);
    assert_eq!((info.returns, info.args), ("Result<u8, Denied>", &[][..]));
    assert!(!find("creation").flags.is_stream);
}

#[tokio::test]
async fn two_attributes_are_two_calls_and_the_upper_one_is_outside() {
    #[hooked(point = "stream.outer", stream)]
    #[hooked(point = "stream.inner", stream)]
    fn stacked(n: u64) -> impl Stream<Item = Res<u64>> {
        stream::iter((0..n).map(Ok))
    }
    let kit = registry();
    for (id, point, by) in [("adds", "stream.inner", 1), ("doubles", "stream.outer", 0)] {
        kit.on(id)
            .point(point)
            .post()
            .intercept(move |cx| {
                let n = cx.result_mut::<u64>()?;
                *n = if by == 0 { *n * 2 } else { *n + by };
                Ok(())
            })
            .unwrap()
            .forget();
    }
    let items: Vec<_> = kit.wrap(stacked(2).collect()).await;
    assert_eq!(items, [Ok(2), Ok(4)]);
    let (outer, inner) = (kit.last("stream.outer"), kit.last("stream.inner"));
    assert_eq!(inner.parent_id(), Some(outer.call_id()));
    assert_eq!((outer.items(), inner.items()), (Some(2), Some(2)));
}
