//! What hooks see of values is what the body got and what the caller gets, and nothing that is gone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hookpoint::test::registry;
use hookpoint::*;

#[hooked(point = "seal.watch", observe)]
fn watch(text: String) -> usize {
    text.len()
}
#[hooked(point = "seal.site")]
fn site(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[derive(Clone)]
struct Req {
    path: String,
}
#[hooked(point = "seal.req", args(req, path = &req.path))]
fn take(req: Req) -> Result<usize, HookRefusal> {
    Ok(req.path.len())
}
#[hooked(point = "seal.moves")]
async fn moves(text: String) -> Result<usize, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(text.len())
}
#[hooked(point = "seal.route", redirect = |_: &str| Some(consumes))]
fn route(text: String) -> Result<usize, HookRefusal> {
    Ok(text.len())
}
fn consumes(text: String) -> Result<usize, HookRefusal> {
    let n = text.len();
    drop(text);
    Ok(n)
}
#[hooked(point = "seal.future", future, component = name)]
fn eager(name: &'static str) -> impl Future<Output = Result<u32, String>> {
    let _ = name;
    async { Ok(1) }
}
#[hooked(point = "seal.flaky")]
fn flaky(n: &AtomicUsize) -> Result<String, HookRefusal> {
    Ok(format!("secret {}", n.fetch_add(1, Ordering::SeqCst)))
}

#[test]
fn by_value_arguments_of_an_observe_site_are_gone_after_the_body() {
    let kit = registry();
    let _e = kit.enter();
    let seen = Arc::new(Mutex::new(None));
    let log = seen.clone();
    let _g = kit
        .on("reads")
        .point("seal.watch")
        .post()
        .intercept(move |cx| {
            *log.lock().unwrap() =
                Some(cx.arg::<String>("text").cloned().map_err(|e| e.to_string()));
        })
        .unwrap();
    watch("a fairly long text on the heap, freed by the body".to_owned());
    let got = seen.lock().unwrap().clone();
    assert!(matches!(got, Some(Err(_))), "read after move: {got:?}");
}

#[test]
fn a_parameter_that_an_expression_looks_into_is_gone_after_the_body() {
    let kit = registry();
    let _e = kit.enter();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let _g = kit
        .on("reads")
        .point("seal.req")
        .post()
        .intercept(move |cx| {
            log.lock().unwrap().push(cx.arg::<String>("path").is_ok());
            log.lock().unwrap().push(cx.arg::<Req>("req").is_ok());
        })
        .unwrap();
    take(Req {
        path: "x".repeat(64),
    })
    .unwrap();
    let got = seen.lock().unwrap().clone();
    assert_eq!(
        got,
        [false, false],
        "views of what the body consumed can be read"
    );
}

#[test]
fn copies_for_later_are_made_before_another_component_consumes_the_values() {
    let kit = registry();
    let _e = kit.enter();
    let _i = kit
        .intercept("go", "seal.route", |_| HookResult::redirect("x"))
        .unwrap();
    let seen = Arc::new(Mutex::new(String::new()));
    let s = seen.clone();
    let _p = kit
        .on("after")
        .point("seal.route")
        .post()
        .args_after()
        .intercept(move |cx| {
            *s.lock().unwrap() = format!(
                "{:?}",
                cx.arg::<String>("text").map(|t| t.as_bytes().to_vec())
            );
        })
        .unwrap();
    let text = "text on the heap that the other component drops";
    route(text.to_owned()).unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        format!("{:?}", Ok::<_, ()>(text.as_bytes().to_vec())),
        "a copy of freed memory"
    );
}

#[test]
fn copies_for_later_can_be_read_where_the_task_has_moved_to() {
    let kit = registry();
    let _g = kit
        .on("after")
        .point("seal.moves")
        .post()
        .args_after()
        .intercept(|cx| cx.arg::<String>("text").map(drop).map_err(HookError::from))
        .unwrap();
    let mut f = Box::pin(kit.wrap(moves("x".into())));
    assert!(
        f.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let r = std::thread::spawn(move || {
        match f.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(r) => r.map_err(|e| e.to_string()),
            Poll::Pending => panic!(),
        }
    })
    .join()
    .unwrap();
    assert_eq!(r, Ok(1), "refused because the task moved to another thread");
}

#[test]
fn a_hook_that_changed_a_value_and_then_failed_is_closed() {
    let kit = registry();
    let _e = kit.enter();
    let _o = kit
        .on("a-open")
        .point("seal.site")
        .on_failure(OnFailure::Open)
        .intercept(|cx| {
            *cx.arg_mut::<u32>("n")? = 666;
            Ok(HookResult::replace("a value of another type"))
        })
        .unwrap();
    let _n = kit.on("b").point("seal.site").intercept(|_| ()).unwrap();
    assert!(
        site(1).is_err(),
        "it failed after changing a value and counts as Open: {:?}",
        site(1)
    );
}

#[test]
fn a_hook_that_changed_the_result_and_then_failed_is_closed() {
    let kit = registry();
    let _e = kit.enter();
    let _o = kit
        .on("a-open")
        .point("seal.site")
        .post()
        .on_failure(OnFailure::Open)
        .intercept(|cx| {
            *cx.result_mut::<u32>()? = 666;
            Ok(HookResult::replace("a value of another type"))
        })
        .unwrap();
    assert!(site(1).is_err(), "{:?}", site(1));
}

#[test]
fn a_shadow_guard_sees_the_plan() {
    let kit = registry();
    let _e = kit.enter();
    let _p = kit
        .intercept("plan", "seal.site", |_| HookResult::replace(7_u32))
        .unwrap();
    let seen = Arc::new(Mutex::new(""));
    let s = seen.clone();
    let _g = kit
        .on("sh")
        .point("seal.site")
        .shadow()
        .guard(move |cx| {
            *s.lock().unwrap() = cx.plan().word();
            Ok(Vote::Pass)
        })
        .unwrap();
    site(1).unwrap();
    assert_eq!(*seen.lock().unwrap(), "replace");
}

#[test]
fn a_future_that_was_made_while_nobody_listened_keeps_its_component() {
    drop(
        Box::pin(eager("x"))
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop())),
    ); // registered now
    let f = eager("shell"); // idle here
    let kit = registry();
    let _g = kit
        .on("g")
        .point("seal.future")
        .for_component("shell")
        .guard(|_| Ok(Vote::cancel("no")))
        .unwrap();
    let mut f = Box::pin(kit.wrap(f));
    match f.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(r) => assert!(r.is_err(), "asked, but without its component"),
        Poll::Pending => panic!(),
    }
}

#[test]
fn the_cache_keeps_the_attempt_that_counted() {
    let kit = registry();
    let _e = kit.enter();
    let n = AtomicUsize::new(0);
    let _c = kit
        .intercept("cache", "seal.flaky", |_| {
            HookResult::cache("k", Duration::from_secs(9))
        })
        .unwrap();
    let _t = kit
        .on("retries")
        .point("seal.flaky")
        .post()
        .may_retry()
        .intercept(|cx| {
            Ok(if cx.result::<String>()? == "secret 0" {
                HookResult::retry(Duration::ZERO, 3)
            } else {
                HookResult::Continue
            })
        })
        .unwrap();
    assert_eq!(flaky(&n).unwrap(), "secret 1");
    assert_eq!(flaky(&n).unwrap(), "secret 1", "the bad answer was kept");
}
