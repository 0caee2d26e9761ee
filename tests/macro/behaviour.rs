//! What hooks see and do through the attribute. What several hooks do together is tested in `tests/semantics`.

#![deny(warnings)]

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use hookpoint::{HookError, HookGuard, HookRefusal, HookResult, hooked, hooks};

/// The outcomes of the calls at a point, in order.
pub(crate) fn outcomes(point: &'static str) -> (HookGuard, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let guard = hooks()
        .observe(format!("{point}.outcomes"), point, move |record| {
            sink.lock().unwrap().push(format!("{:?}", record.outcome()));
        })
        .unwrap();
    (guard, seen)
}

pub(crate) fn poll_once<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pending once.
pub(crate) async fn pause() {
    tokio::task::yield_now().await;
}

// Sync ---------------------------------------------------------------------------------------------

#[hooked(point = "behaviour.values", component = "till", fields(double = amount * 2))]
fn values(amount: u64, name: &str, log: &mut Vec<String>) -> Result<String, String> {
    log.push(name.to_owned());
    if amount == 13 {
        return Err("unlucky".into());
    }
    Ok(format!("{name}{amount}"))
}

#[test]
fn arguments_and_results_are_read_and_changed() {
    let _pre = hooks()
        .intercept("values.pre", "behaviour.values", |cx| {
            assert_eq!(cx.component(), Some("till"));
            assert_eq!(cx.field("double"), Some(&serde_json::json!(2)));
            assert_eq!(cx.arg::<str>("name")?, "n");
            assert!(cx.arg_mut::<str>("name").is_err());
            *cx.arg_mut::<u64>("amount")? += 1;
            cx.arg_mut::<Vec<String>>("log")?.push("hook".into());
            cx.set_arg_json("amount", serde_json::json!(cx.arg::<u64>("amount")? * 10))?;
            Ok::<_, HookError>(())
        })
        .unwrap();
    let _post = hooks()
        .on("values.post")
        .point("behaviour.values")
        .post()
        .intercept(|cx| {
            cx.result_mut::<String>()?.push('!');
            // By reference: still there. By value: gone, unless the hook asked for a copy.
            assert_eq!(cx.arg::<str>("name")?, "n");
            assert!(cx.arg::<u64>("amount").is_err());
            Ok::<_, HookError>(())
        })
        .unwrap();
    let mut log = vec![];
    assert_eq!(values(1, "n", &mut log), Ok("n20!".into()));
    assert_eq!(log, ["hook", "n"]);
}

#[hooked(point = "behaviour.early")]
fn early(n: u32) -> Result<u32, String> {
    let inner = || -> u32 {
        if n == 1 {
            return 100;
        }
        n
    };
    let inner = inner();
    for i in 0.. {
        if i == inner {
            return Ok(i);
        }
        if i == 5 {
            Err("five")?;
        }
    }
    Ok(0)
}

#[test]
fn early_returns_are_results_and_errors_are_errors() {
    let (_guard, seen) = outcomes("behaviour.early");
    let _error = hooks()
        .on("early.error")
        .point("behaviour.early")
        .error()
        .intercept(|cx| match cx.error::<String>()?.as_str() {
            "five" => Ok(HookResult::replace(55_u32)),
            other => Err(HookError::from(other)),
        })
        .unwrap();
    assert_eq!((early(3), early(1)), (Ok(3), Ok(55)));
    assert_eq!(*seen.lock().unwrap(), ["Returned", "Returned"]);
}

#[hooked(point = "behaviour.panics", observe)]
fn panics(n: u32) -> u32 {
    assert!(n != 1, "payload");
    n
}

#[test]
fn a_panic_goes_on_with_its_payload() {
    let (_guard, seen) = outcomes("behaviour.panics");
    let payload = std::panic::catch_unwind(|| panics(1)).unwrap_err();
    assert_eq!(*payload.downcast::<&str>().unwrap(), "payload");
    assert_eq!(panics(2), 2);
    assert_eq!(*seen.lock().unwrap(), ["Panicked", "Returned"]);
}

#[derive(Debug, PartialEq)]
struct Denied(String, bool);

#[hooked(point = "behaviour.refused", on_refused = |r| Denied(r.reason().into(), r.executed()))]
fn refused(n: u32) -> Result<u32, Denied> {
    Ok(n)
}

#[hooked(point = "behaviour.refused", on_refused = |r| format!("<{}>", r.reason()))]
async fn refused_plain(n: u32) -> String {
    n.to_string()
}

#[hooked(point = "behaviour.refused")]
fn refused_io(n: u32) -> std::io::Result<u32> {
    Ok(n)
}

#[hooked(point = "behaviour.refused")]
fn refused_boxed(n: u32) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    Ok(n)
}

#[tokio::test]
async fn a_refusal_becomes_what_the_function_returns() {
    let _no = hooks()
        .intercept("refused.no", "behaviour.refused", |_| {
            HookResult::cancel("no")
        })
        .unwrap();
    assert_eq!(refused(1), Err(Denied("no".into(), false)));
    assert_eq!(refused_plain(1).await, "<no>");
    let error = refused_io(1).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    let error = refused_boxed(1).unwrap_err();
    assert_eq!(error.downcast_ref::<HookRefusal>().unwrap().reason(), "no");
}

struct Account {
    balance: u64,
    attempts: u32,
}

impl Account {
    #[hooked(point = "behaviour.retry", retry)]
    fn withdraw(&mut self, amount: u64, note: String) -> Result<u64, String> {
        self.attempts += 1;
        if self.attempts < 3 {
            return Err(note);
        }
        self.balance -= amount;
        Ok(self.balance)
    }

    #[hooked(point = "behaviour.retry", retry)]
    async fn look(&self, attempts: &AtomicUsize) -> Result<u64, String> {
        pause().await;
        if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err("again".into());
        }
        Ok(self.balance)
    }

    #[hooked(point = "behaviour.redirect", redirect = |to| self.other(to))]
    fn pay(&self, amount: u64, to: &str) -> Result<String, String> {
        Ok(format!("{amount} to {to}"))
    }

    fn other(&self, to: &str) -> Option<impl FnOnce(u64, &str) -> Result<String, String> + use<>> {
        let balance = self.balance;
        (to == "savings")
            .then_some(move |amount, to: &str| Ok(format!("{amount} of {balance} to {to}")))
    }
}

#[tokio::test]
async fn bodies_run_again_and_others_run_instead() {
    let _again = hooks()
        .on("retry.again")
        .point("behaviour.retry")
        .error()
        .may_retry()
        .intercept(|_| HookResult::retry(Duration::ZERO, 5))
        .unwrap();
    let mut account = Account {
        balance: 10,
        attempts: 0,
    };
    assert_eq!(account.withdraw(4, "failed".into()), Ok(6));
    assert_eq!(account.attempts, 3);
    let attempts = AtomicUsize::new(0);
    assert_eq!(account.look(&attempts).await, Ok(6));
    assert_eq!(attempts.into_inner(), 3);

    let _elsewhere = hooks()
        .intercept("redirect.elsewhere", "behaviour.redirect", |_| {
            HookResult::redirect("savings")
        })
        .unwrap();
    assert_eq!(account.pay(1, "bob"), Ok("1 of 6 to bob".into()));
}

#[hooked(point = "behaviour.derived", args(path = &request.0, size = request.1 + 1, name = &*request.0))]
fn derived(request: (String, u64)) -> Result<u64, String> {
    Ok(request.1)
}

#[hooked(point = "behaviour.derived", args(path: typed = &request.0, size: typed = request.1 + 1))]
async fn derived_async(request: (String, u64)) -> Result<u64, String> {
    pause().await;
    Ok(request.1)
}

#[tokio::test]
async fn expressions_are_arguments_too() {
    let _reads = hooks()
        .intercept("derived.reads", "behaviour.derived", |cx| {
            assert_eq!(cx.arg_json("path")?, "p");
            assert_eq!(cx.arg_json("size")?, 8);
            if cx.site().flags.is_async {
                assert_eq!(
                    (cx.arg::<String>("path")?.as_str(), *cx.arg::<u64>("size")?),
                    ("p", 8)
                );
            } else {
                assert_eq!(cx.arg_json("name")?, "p");
            }
            assert!(cx.set_arg_json("path", "q".into()).is_err());
            Ok::<_, HookError>(())
        })
        .unwrap();
    assert_eq!(derived(("p".into(), 7)), Ok(7));
    assert_eq!(derived_async(("p".into(), 7)).await, Ok(7));
}

// Async --------------------------------------------------------------------------------------------

#[hooked(point = "behaviour.poll")]
async fn polled(log: Arc<Mutex<Vec<&'static str>>>) -> Result<(), String> {
    log.lock().unwrap().push("body");
    pause().await;
    pause().await;
    Ok(())
}

#[tokio::test]
async fn hooks_come_with_the_first_poll_and_once() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = log.clone();
    let _pre = hooks()
        .intercept("poll.pre", "behaviour.poll", move |_| {
            sink.lock().unwrap().push("pre")
        })
        .unwrap();
    let (_guard, seen) = outcomes("behaviour.poll");

    drop(polled(log.clone()));
    assert!(log.lock().unwrap().is_empty());

    let mut future = Box::pin(polled(log.clone()));
    assert!(poll_once(future.as_mut()).is_pending());
    assert_eq!(*log.lock().unwrap(), ["pre", "body"]);
    drop(future);
    assert_eq!(*seen.lock().unwrap(), ["Cancelled"]);

    polled(log.clone()).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["pre", "body", "pre", "body"]);
    assert_eq!(*seen.lock().unwrap(), ["Cancelled", "Returned"]);
}

#[async_trait]
trait Tool: Sync {
    async fn run(&self, input: String) -> Result<String, HookRefusal>;
}

struct Echo;

#[async_trait]
impl Tool for Echo {
    #[hooked(point = "behaviour.tool")]
    async fn run(&self, mut input: String) -> Result<String, HookRefusal> {
        pause().await;
        input.push('.');
        Ok(input)
    }
}

#[tokio::test]
async fn async_trait_methods_are_hooked_as_futures() {
    let (_guard, seen) = outcomes("behaviour.tool");
    let _pre = hooks()
        .on("tool.pre")
        .point("behaviour.tool")
        .intercept_async(async |cx| {
            pause().await;
            match cx.arg_mut::<String>("input") {
                Ok(input) if input == "bad" => HookResult::cancel("bad input"),
                Ok(input) => {
                    input.push('?');
                    HookResult::Continue
                }
                Err(error) => HookResult::cancel(error.to_string()),
            }
        })
        .unwrap();
    assert_eq!(Echo.run("a".into()).await.unwrap(), "a?.");
    assert_eq!(
        Echo.run("bad".into()).await.unwrap_err().reason(),
        "bad input"
    );
    let mut future = Echo.run("a".into());
    assert!(poll_once(future.as_mut()).is_pending());
    drop(future);
    drop(Echo.run("a".into()));
    assert_eq!(*seen.lock().unwrap(), ["Returned", "Refused", "Cancelled"]);
}

#[hooked(point = "behaviour.call", observe)]
fn hooked_call(log: Arc<Mutex<Vec<&'static str>>>) -> impl Future<Output = u8> {
    log.lock().unwrap().push("eager");
    async move {
        log.lock().unwrap().push("lazy");
        1
    }
}

#[hooked(point = "behaviour.await", future, observe, fields(n = 1))]
fn hooked_await(log: Arc<Mutex<Vec<&'static str>>>) -> impl Future<Output = u8> {
    log.lock().unwrap().push("eager");
    async move {
        pause().await;
        log.lock().unwrap().push("lazy");
        1
    }
}

#[hooked(point = "behaviour.await", future)]
fn hooked_box(
    log: Arc<Mutex<Vec<&'static str>>>,
) -> Pin<Box<dyn Future<Output = Result<u8, String>> + Send>> {
    log.lock().unwrap().push("eager");
    Box::pin(async move {
        pause().await;
        log.lock().unwrap().push("lazy");
        Ok(1)
    })
}

#[tokio::test]
async fn functions_that_return_futures_hook_the_call_or_the_await() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |point: &'static str| {
        let log = log.clone();
        hooks()
            .intercept(point, point, move |_| log.lock().unwrap().push("pre"))
            .unwrap()
    };
    let _guards = (note("behaviour.call"), note("behaviour.await"));
    let (_guard, seen) = outcomes("behaviour.await");
    let take = || std::mem::take(&mut *log.lock().unwrap());

    let future = hooked_call(log.clone());
    assert_eq!(take(), ["pre", "eager"]);
    assert_eq!((future.await, take()), (1, vec!["lazy"]));

    let future = hooked_await(log.clone());
    assert_eq!(take(), ["eager"]);
    assert_eq!((future.await, take()), (1, vec!["pre", "lazy"]));
    let mut future = Box::pin(hooked_await(log.clone()));
    assert!(poll_once(future.as_mut()).is_pending());
    drop(future);

    let future = hooked_box(log.clone());
    assert_eq!(
        (future.await, take()[2..].to_vec()),
        (Ok(1), vec!["eager", "pre", "lazy"])
    );
    assert_eq!(*seen.lock().unwrap(), ["Returned", "Cancelled", "Returned"]);
}

#[hooked(point = "behaviour.never", observe)]
async fn never(n: u32) -> ! {
    pause().await;
    panic!("{n}")
}

#[tokio::test]
async fn what_never_returns_panics_or_is_dropped() {
    let (_guard, seen) = outcomes("behaviour.never");
    assert!(
        tokio::spawn(async { never(1).await })
            .await
            .unwrap_err()
            .is_panic()
    );
    let mut future = Box::pin(never(1));
    assert!(poll_once(future.as_mut()).is_pending());
    drop(future);
    assert_eq!(*seen.lock().unwrap(), ["Panicked", "Cancelled"]);
}

#[hooked(point = "behaviour.generic", observe)]
fn never_called_and_generic<T: Send, const N: usize>(value: [T; N]) -> [T; N] {
    value
}

#[test]
fn every_site_is_in_the_catalogue() {
    let mut unused = [1];
    unused = never_called_and_generic(unused);
    assert_eq!(unused, [1]);
    let sites: Vec<_> = hookpoint::sites()
        .iter()
        .map(|site| site.info().path)
        .collect();
    let mut sorted = sites.clone();
    sorted.sort_unstable();
    assert!(
        sites
            .iter()
            .any(|path| path.ends_with("never_called_and_generic"))
    );
    let calls = sites
        .iter()
        .filter(|path| path.contains("behaviour::"))
        .count();
    assert_eq!(calls, 19);
}
