//! Approvals, grants and plans are for what they were given for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::test::{Scripted, registry};
use hookpoint::*;

#[hooked(point = "void.closed", closed)]
fn closed(text: String) -> Result<String, HookRefusal> {
    Ok(text)
}
#[hooked(point = "void.site")]
fn site(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[hooked(point = "void.later")]
async fn later(n: u32) -> Result<u32, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}
#[hooked(point = "void.flaky")]
fn flaky(n: &AtomicUsize) -> Result<String, HookRefusal> {
    Ok(format!("secret {}", n.fetch_add(1, Ordering::SeqCst)))
}
#[hooked(point = "void.shut", closed, redirect = |_: &str| None::<fn(u32) -> Result<u32, HookRefusal>>)]
fn shut(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[hooked(point = "void.open", redirect = |_: &str| None::<fn(u32) -> Result<u32, HookRefusal>>)]
fn open_site(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[hooked(point = "void.ping", component = "ping", redirect = |to: &str| (to == "pong").then_some(pong))]
fn ping(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
#[hooked(point = "void.ping", component = "pong", redirect = |to: &str| (to == "ping").then_some(ping))]
fn pong(n: u32) -> Result<u32, HookRefusal> {
    Ok(n)
}
struct Slow;
impl Approver for Slow {
    fn approve<'a>(
        &'a self,
        r: &'a ApprovalRequest,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Approval, HookError>> + Send + 'a>> {
        Box::pin(async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            Ok(r.allow())
        })
    }
}

#[test]
fn a_grant_for_other_arguments_does_not_count_after_an_edit() {
    let kit = registry();
    let _e = kit.enter();
    let _g = kit
        .guard("grants-safe", "void.closed", |cx| {
            Ok(if cx.arg::<String>("text")? == "safe" {
                Vote::Allow
            } else {
                Vote::Pass
            })
        })
        .unwrap();
    let _a = kit
        .guard("asks", "void.closed", |cx| {
            Ok(if cx.arg::<String>("text")? == "safe" {
                Vote::ask("?")
            } else {
                Vote::Pass
            })
        })
        .unwrap();
    assert!(closed("unsafe".into()).is_err());
    kit.script_approvals([Scripted::Edit(vec![("text".into(), "unsafe".into())])]);
    assert!(
        closed("safe".into()).is_err(),
        "nobody granted these arguments"
    );
}

#[test]
fn a_grant_for_a_plan_that_failed_does_not_count_for_the_body() {
    let kit = registry();
    let _e = kit.enter();
    let _i = kit
        .on("go")
        .point("void.shut")
        .on_failure(OnFailure::Open)
        .intercept(|_| HookResult::redirect("sandbox"))
        .unwrap();
    let _g = kit
        .guard("grants-sandbox", "void.shut", |cx| {
            Ok(if matches!(cx.plan(), Plan::Redirect { .. }) {
                Vote::Allow
            } else {
                Vote::Pass
            })
        })
        .unwrap();
    assert!(
        shut(1).is_err(),
        "the body ran at a closed point, granted was only the redirect"
    );
}

#[test]
fn an_approval_of_one_plan_does_not_serve_another() {
    let kit = registry();
    let _e = kit.enter();
    let plans: Arc<Mutex<Vec<String>>> = Arc::default();
    let p = plans.clone();
    kit.set_approver(move |r: &ApprovalRequest| {
        p.lock().unwrap().push(r.plan.clone());
        if r.plan.starts_with("redirect") {
            r.allow()
        } else {
            r.deny("not here")
        }
    });
    let _i = kit
        .on("go")
        .point("void.open")
        .on_failure(OnFailure::Open)
        .intercept(|_| HookResult::redirect("sandbox"))
        .unwrap();
    let _a = kit
        .intercept("asks", "void.open", |_| HookResult::ask("?"))
        .unwrap();
    assert!(
        open_site(1).is_err(),
        "approved: {:?}, and the body ran",
        plans.lock().unwrap()
    );
}

#[test]
fn an_answer_for_edited_arguments_is_not_kept_under_the_old_key() {
    let kit = registry();
    let _e = kit.enter();
    let _i = kit
        .intercept("cache", "void.closed", |cx| {
            let k = cx.arg::<String>("text")?.clone();
            Ok(HookResult::cache(k, Duration::from_secs(9)))
        })
        .unwrap();
    let _g = kit
        .guard("grant", "void.closed", |_| Ok(Vote::Allow))
        .unwrap();
    let _a = kit
        .guard("asks", "void.closed", |cx| {
            Ok(if cx.arg::<String>("text")? == "a" {
                Vote::ask("?")
            } else {
                Vote::Pass
            })
        })
        .unwrap();
    kit.script_approvals([
        Scripted::Edit(vec![("text".into(), "b".into())]),
        Scripted::Allow,
    ]);
    assert_eq!(closed("a".into()).unwrap(), "b");
    assert_eq!(
        closed("a".into()).unwrap(),
        "a",
        "the answer for `b` was kept under `a`"
    );
}

#[test]
fn a_replacement_survives_a_retry_that_cannot_be() {
    let kit = registry();
    let _e = kit.enter();
    let n = AtomicUsize::new(0);
    let _c = kit
        .intercept("cache", "void.flaky", |_| {
            HookResult::cache("k", Duration::from_secs(9))
        })
        .unwrap();
    let _r = kit
        .on("redact")
        .point("void.flaky")
        .post()
        .intercept(|_| HookResult::replace("***".to_owned()))
        .unwrap();
    assert_eq!(flaky(&n).unwrap(), "***");
    let _t = kit
        .on("retries")
        .point("void.flaky")
        .post()
        .may_retry()
        .intercept(|_| HookResult::retry(Duration::ZERO, 3))
        .unwrap();
    assert_eq!(
        flaky(&n)
            .map_err(drop)
            .unwrap_or("refused".into())
            .replace("refused", "***"),
        "***",
        "redaction lost on a cache hit"
    );
}

#[test]
fn the_refusal_of_a_redirected_call_cannot_be_replaced() {
    let kit = registry();
    let _e = kit.enter();
    let asked = Arc::new(AtomicUsize::new(0));
    let c = asked.clone();
    let _i = kit
        .on("go")
        .point("void.ping")
        .for_component("ping")
        .intercept(|_| HookResult::redirect("pong"))
        .unwrap();
    let _n = kit
        .on("no")
        .point("void.ping")
        .for_component("pong")
        .guard(|_| Ok(Vote::cancel("no")))
        .unwrap();
    let _r = kit
        .on("rec")
        .point("void.ping")
        .error()
        .recover_refusals()
        .intercept(move |_| {
            c.fetch_add(1, Ordering::SeqCst);
            HookResult::replace(9_u32)
        })
        .unwrap();
    let r = ping(1);
    assert!(
        r.is_err() && asked.load(Ordering::SeqCst) == 0,
        "a redirect's refusal is this call's own: {r:?}"
    );
}

#[tokio::test]
async fn a_call_that_waits_for_approval_does_not_begin_in_a_halted_run() {
    let kit = registry();
    kit.set_approver(Slow);
    let _a = kit
        .guard("asks", "void.later", |_| Ok(Vote::ask("?")))
        .unwrap();
    let _h = kit
        .guard("halts", "void.site", |_| Ok(Vote::halt("stop")))
        .unwrap();
    let (waiting, halting) = kit
        .wrap(async {
            let run = HookScope::run("r");
            let w = run.wrap(later(1));
            let h = run.wrap(async {
                tokio::task::yield_now().await;
                site(1)
            });
            tokio::join!(w, h)
        })
        .await;
    assert!(halting.is_err());
    assert!(
        waiting.is_err(),
        "the body began in a run that had been halted"
    );
}
