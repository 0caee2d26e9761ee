//! Order, conditions, once, Shadow, retry, approval, around, explain.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::test::{Scripted, registry};
use hookpoint::{ApprovalRequest, HookRefusal, HookResult, Outcome, Phase, Priority, Vote, hooked};
use serde_json::json;

#[hooked(point = "steps.site", component = name)]
fn site(name: &str, text: String) -> Result<String, HookRefusal> {
    assert!(!name.is_empty());
    if text.contains("fail") {
        return flaky(&text);
    }
    Ok(text)
}

#[hooked(point = "steps.flaky")]
fn flaky(text: &str) -> Result<String, HookRefusal> {
    Ok(text.to_uppercase())
}

#[hooked(point = "steps.later", retry)]
async fn later(text: String) -> Result<String, String> {
    Err(format!("{text} failed"))
}

#[hooked(point = "steps.blocks", blocking)]
fn blocks() -> Result<(), HookRefusal> {
    Ok(())
}

#[test]
fn intercepts_run_by_wishes_priority_and_id_and_in_reverse_after_the_body() {
    let kit = registry();
    let _entered = kit.enter();
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut keep = Vec::new();
    for (id, priority, before) in [
        ("d", 0, None),
        ("c", 0, None),
        ("b", -100, None),
        ("last", -1000, None),
        ("a", 1000, Some("b")),
    ] {
        let mut hook = kit
            .on(id)
            .point("steps.site")
            .pre()
            .post()
            .priority(Priority(priority));
        if let Some(before) = before {
            hook = hook.before(before);
        }
        if id == "last" {
            hook = hook.after("d");
        }
        let log = log.clone();
        keep.push(
            hook.intercept(move |cx| log.lock().unwrap().push(format!("{} {id}", cx.phase())))
                .unwrap(),
        );
    }
    site("x", "y".into()).unwrap();
    let log = log.lock().unwrap().join(",");
    assert_eq!(
        log,
        "pre c,pre d,pre last,pre a,pre b,post b,post a,post last,post d,post c"
    );
}

#[test]
fn hooks_can_be_for_one_component_under_a_condition_and_once() {
    let kit = registry();
    let _entered = kit.enter();
    let no = || HookResult::cancel("no");
    let _c = kit
        .on("for-a")
        .point("steps.site")
        .for_component("a")
        .intercept(move |_| no())
        .unwrap();
    assert!(site("a", "x".into()).is_err() && site("b", "x".into()).is_ok());
    let when = |cx: &hookpoint::GuardContext<'_>| Ok(cx.arg::<String>("text")? == "special");
    let _w = kit
        .on("when")
        .point("steps.site")
        .when(when)
        .intercept(move |_| no())
        .unwrap();
    assert!(site("b", "special".into()).is_err() && site("b", "x".into()).is_ok());
    kit.on("once")
        .point("steps.site")
        .for_component("c")
        .once()
        .intercept(move |_| no())
        .unwrap()
        .forget();
    assert!(site("c", "x".into()).is_err() && site("c", "x".into()).is_ok());
    assert!(
        !kit.list().iter().any(|h| &*h.id == "once"),
        "spent and gone"
    );
}

#[test]
fn once_runs_once_under_concurrency() {
    let kit = registry();
    kit.on("once")
        .point("steps.site")
        .once()
        .guard(|_| Ok(Vote::cancel("no")))
        .unwrap()
        .forget();
    let refused: usize = std::thread::scope(|threads| {
        let call = || {
            let _entered = kit.enter();
            (0..50).filter(|_| site("x", "y".into()).is_err()).count()
        };
        let threads: Vec<_> = (0..4).map(|_| threads.spawn(call)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(refused, 1);
}

#[test]
fn a_shadow_hook_works_on_copies_and_never_counts() {
    let kit = registry();
    let _entered = kit.enter();
    let _s = kit
        .on("shadow")
        .point("steps.site")
        .pre()
        .post()
        .shadow()
        .intercept(|cx| {
            if cx.phase() == Phase::Pre {
                cx.arg_mut::<String>("text")?.push_str(" changed");
                assert!(
                    cx.arg::<String>("text")?.ends_with("changed"),
                    "it sees its own change"
                );
                return Ok(HookResult::cancel("would refuse"));
            }
            cx.result_mut::<String>()?.clear();
            Ok(HookResult::replace("other".to_owned()))
        })
        .unwrap();
    assert_eq!(site("x", "text".into()).unwrap(), "text");
    let said: Vec<_> = kit
        .last("steps.site")
        .hooks()
        .iter()
        .map(|h| (h.answer, h.note))
        .collect();
    assert_eq!(
        said,
        [("cancel", Some("shadow")), ("replace", Some("shadow"))]
    );
}

#[test]
fn an_inner_refusal_is_neither_retried_nor_replaced_unless_the_hook_says_so() {
    let kit = registry();
    let _entered = kit.enter();
    let _refuse = kit
        .guard("refuse", "steps.flaky", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let recover = |id: &str| kit.on(id.to_owned()).point("steps.site").error();
    let plain = recover("plain")
        .intercept(|_| HookResult::replace("recovered".to_owned()))
        .unwrap();
    assert!(site("x", "fail".into()).is_err());
    assert_eq!(kit.last("steps.site").hooks()[0].error, Some("unsupported"));
    drop(plain);
    let declared = recover("declared").recover_refusals();
    let _d = declared
        .intercept(|_| HookResult::replace("recovered".to_owned()))
        .unwrap();
    assert_eq!(site("x", "fail".into()).unwrap(), "recovered");
}

#[tokio::test]
async fn retries_wait_and_end_with_the_least_maximum() {
    let kit = registry();
    let hook = |id: &str| {
        kit.on(id.to_owned())
            .point("steps.later")
            .error()
            .may_retry()
    };
    let _a = hook("a")
        .intercept(|_| HookResult::retry(Duration::from_secs(5), 4))
        .unwrap();
    let _b = hook("b")
        .intercept(|_| HookResult::retry(Duration::from_secs(1), 3))
        .unwrap();
    let mut call = Box::pin(kit.wrap(later("x".into())));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..2 {
        assert!(
            call.as_mut().poll(&mut cx).is_pending(),
            "it waits for the largest delay"
        );
        kit.clock().advance(Duration::from_secs(4));
        assert!(call.as_mut().poll(&mut cx).is_pending());
        kit.clock().advance(Duration::from_secs(1));
    }
    assert_eq!(call.await.unwrap_err(), "x failed");
    let record = kit.last("steps.later");
    assert_eq!((record.attempts(), record.outcome()), (3, Outcome::Failed));
    assert_eq!(
        record.waited(),
        Duration::from_secs(10),
        "waiting is not hook time"
    );
}

#[test]
fn a_planned_answer_cannot_be_retried_and_that_is_not_silent() {
    let kit = registry();
    let _entered = kit.enter();
    let _plan = kit
        .intercept("plan", "steps.site", |_| {
            HookResult::replace("planned".to_owned())
        })
        .unwrap();
    assert_eq!(site("x", "y".into()).unwrap(), "planned");
    let retry = kit.on("retry").point("steps.site").post().may_retry();
    let _retry = retry
        .intercept(|_| HookResult::retry(Duration::ZERO, 3))
        .unwrap();
    let refusal = site("x", "y".into()).unwrap_err();
    assert!(
        refusal.reason().contains("the body did not run"),
        "{refusal}"
    );
}

#[test]
fn an_edit_is_sealed_and_decided_once_more() {
    let kit = registry();
    let _entered = kit.enter();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = seen.clone();
    let _g = kit
        .guard("asks", "steps.site", move |cx| {
            let text = cx.arg::<String>("text")?;
            log.lock().unwrap().push(text.clone());
            Ok(match text.as_str() {
                "edited" => Vote::Pass,
                "worse" => Vote::cancel("worse"),
                _ => Vote::ask("really?"),
            })
        })
        .unwrap();
    let edit = |text: &str| Scripted::Edit(vec![("text".into(), json!(text))]);
    kit.script_approvals([
        edit("edited"),
        edit("worse"),
        edit("again"),
        edit("edited"),
        Scripted::Deny("no".into()),
    ]);
    assert_eq!(site("x", "first".into()).unwrap(), "edited");
    assert_eq!(
        *seen.lock().unwrap(),
        ["first", "edited"],
        "the guard saw what ran"
    );
    assert_eq!(site("x", "second".into()).unwrap_err().hook(), "asks");
    let refusal = site("x", "third".into()).unwrap_err();
    assert!(
        refusal.reason().contains("edited once already"),
        "{refusal}"
    );
    assert_eq!(site("x", "fourth".into()).unwrap_err().reason(), "no");
}

#[test]
fn a_silent_approver_at_a_synchronous_site_refuses() {
    let kit = registry();
    let _entered = kit.enter();
    let _g = kit
        .guard("asks", "steps.site", |_| Ok(Vote::ask("really?")))
        .unwrap();
    kit.script_approvals([Scripted::Silence]);
    assert_eq!(
        site("x", "y".into()).unwrap_err().hook(),
        "hookpoint.approver"
    );
}

#[test]
fn a_blocking_site_waits_for_an_asynchronous_hook() {
    let kit = registry();
    let _entered = kit.enter();
    let (tell, told) = std::sync::mpsc::channel();
    let (send, receive) = tokio::sync::oneshot::channel::<()>();
    let receive = Arc::new(tokio::sync::Mutex::new(Some(receive)));
    let _g = kit
        .on("waits")
        .point("steps.blocks")
        .guard_async_with((receive, tell), |(receive, tell), _cx| {
            Box::pin(async move {
                tell.send(()).map_err(hookpoint::HookError::other)?;
                if let Some(receive) = receive.lock().await.take() {
                    receive.await?;
                }
                Ok(Vote::cancel("waited"))
            })
        })
        .unwrap();
    let answer = std::thread::spawn(move || {
        told.recv().unwrap(); // only when the hook is under way
        send.send(()).unwrap();
    });
    assert_eq!(blocks().unwrap_err().reason(), "waited");
    answer.join().unwrap();
}

#[test]
fn a_hook_keeps_a_value_from_before_the_body_until_it_is_done() {
    let kit = registry();
    let _entered = kit.enter();
    let _around = kit
        .on("around")
        .point("steps.site")
        .pre()
        .post()
        .intercept(|cx| {
            if cx.phase() == Phase::Pre {
                let length = cx.arg::<String>("text")?.len();
                cx.local(length);
            } else {
                let length = *cx.get_local::<usize>().expect("kept before the body");
                cx.result_mut::<String>()?.push_str(&format!(" ({length})"));
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(site("x", "four".into()).unwrap(), "four (4)");
}

fn must_not_run(_cx: &mut hookpoint::HookContext<'_>) {
    panic!("explain must not run it");
}

#[test]
fn explain_names_the_order_and_runs_pure_hooks_only() {
    let kit = registry();
    let pure = |cx: &hookpoint::GuardContext<'_>| {
        let text = cx.arg_json("text")?;
        Ok(Vote::cancel_if(text == "bad", "bad text"))
    };
    let _p = kit
        .on("pure")
        .point("steps.site")
        .pure()
        .guard(pure)
        .unwrap();
    let _i = kit
        .on("impure")
        .point("steps.site")
        .intercept(must_not_run)
        .unwrap();
    let said = kit
        .explain("steps.site", Some(&json!({ "text": "bad" })))
        .unwrap();
    let order: Vec<_> = said.hooks.iter().map(|h| &*h.hook).collect();
    assert_eq!(order, ["impure", "pure"]);
    let rehearsal = said.rehearsal.unwrap();
    assert_eq!((rehearsal.verdict, rehearsal.undecidable), ("cancel", 1));
    let passes = kit
        .explain("steps.site", Some(&json!({ "text": "fine" })))
        .unwrap()
        .rehearsal
        .unwrap();
    assert_eq!(passes.verdict, "pass");
    assert!(
        kit.explain("steps.nothing.like.it", None).is_ok(),
        "a kit accepts points without sites"
    );
    assert!(
        hookpoint::HookRegistry::new()
            .explain("tool.exekute", None)
            .is_err()
    );
}

#[test]
fn an_approver_sees_where_for_whom_and_what_would_happen_instead() {
    let kit = registry();
    let _entered = kit.enter();
    let run = hookpoint::HookScope::run("errand").principal("ann");
    let _errand = run.enter();
    let _g = kit
        .guard("asks", "steps.site", |_| Ok(Vote::ask("really?")))
        .unwrap();
    let seen: Arc<Mutex<Vec<ApprovalRequest>>> = Arc::default();
    let log = seen.clone();
    kit.set_approver(move |request: &ApprovalRequest| {
        log.lock().unwrap().push(request.clone());
        request.allow()
    });
    site("x", "y".into()).unwrap();
    let _plan = kit
        .intercept("plan", "steps.site", |_| {
            HookResult::replace("planned".to_owned())
        })
        .unwrap();
    assert_eq!(site("x", "y".into()).unwrap(), "planned");
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].site, "semantics::steps::site");
    assert_eq!(seen[0].principal.as_deref(), Some("ann"));
    assert_eq!((&*seen[0].plan, &seen[0].planned), ("run", &None));
    assert_eq!(
        (&*seen[1].plan, &seen[1].planned),
        ("replace", &Some(json!("planned")))
    );
    assert!(seen.iter().all(|request| !request.in_process_only));
}
