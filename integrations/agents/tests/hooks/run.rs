use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hooks_agents::{
    Agent, AgentError, AgentLimits, AgentOutput, AgentRoster, AgentState, ScriptedModel,
};
use hooks_runtime::{HookContext, HookError, HookRegistry, HookResult};
use serde_json::json;

use crate::fixture::{Silent, assert_refused, echo, fresh, no, poll_once, with};

#[test]
fn a_dropped_run_is_ready_again_and_both_are_seen() {
    let hooks = HookRegistry::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let _cancelled = hooks
        .observe("log", "agent.execute", move |record| {
            log.lock().unwrap().push(format!("{:?}", record.outcome()))
        })
        .unwrap();
    let log = Arc::clone(&seen);
    let _aborted = hooks
        .intercept(
            "aborted",
            "agent.transition",
            move |cx: &mut HookContext<'_>| {
                if cx.arg::<str>("reason")? == "aborted" {
                    let (from, to) = (cx.arg::<AgentState>("from")?, cx.arg::<AgentState>("to")?);
                    log.lock().unwrap().push(format!("{from} {to}"));
                }
                Ok::<_, HookError>(())
            },
        )
        .unwrap();
    with(&hooks, async {
        let agent = fresh(Silent);
        agent.initialize().await.unwrap();
        let mut run = Box::pin(agent.execute("x"));
        assert!(!poll_once(&mut run).await);
        agent.pause().await.unwrap();
        drop(run);
        assert_eq!(agent.state(), AgentState::Ready);
    });
    assert_eq!(
        *seen.lock().unwrap(),
        ["Cancelled", "paused running", "running ready"]
    );
}

#[test]
fn a_run_can_be_refused_changed_replaced_and_recovered() {
    let hooks = HookRegistry::new();
    let refuse = hooks.guard("no", "agent.execute", no).unwrap();
    with(&hooks, async {
        let agent = fresh(echo());
        agent.initialize().await.unwrap();
        assert_refused(agent.execute("x").await, "agent.execute");
        assert_eq!(
            agent.state(),
            AgentState::Ready,
            "a refused run is no failure"
        );
        drop(refuse);
        let change = hooks
            .intercept("change", "agent.execute", |cx: &mut HookContext<'_>| {
                cx.arg_mut::<String>("input")?.push('!');
                Ok::<_, HookError>(())
            })
            .unwrap();
        assert_eq!(agent.execute("x").await.unwrap().text, "x!");
        drop(change);
        let _post = hooks
            .on("post")
            .point("agent.execute")
            .post()
            .intercept(|cx| {
                cx.result_mut::<AgentOutput>()?.text.push('?');
                Ok::<_, HookError>(())
            })
            .unwrap();
        assert_eq!(agent.execute("x").await.unwrap().text, "x?");
        let broken = fresh(ScriptedModel::new("empty"));
        broken.initialize().await.unwrap();
        let _recover = hooks
            .on("recover")
            .point("agent.execute")
            .error()
            .intercept(|_| {
                HookResult::replace_json(
                    json!({"text": "sorry", "steps": 0, "tokens": 0, "tool_calls": []}),
                )
            })
            .unwrap();
        assert_eq!(broken.execute("x").await.unwrap().text, "sorry");
        assert_eq!(broken.state(), AgentState::Ready, "recovered");
    });
}

#[test]
fn a_halted_run_has_failed_and_makes_no_further_call() {
    let hooks = HookRegistry::new();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let _count = hooks
        .observe("count", "model.request", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    let _halt = hooks
        .intercept("halt", "tool.execute", |_: &mut HookContext<'_>| {
            HookResult::halt("enough")
        })
        .unwrap();
    with(&hooks, async {
        let script = ScriptedModel::new("m")
            .calls([("calculator", json!({"expression": "1"}))])
            .text("done");
        let agent = fresh(script);
        agent.initialize().await.unwrap();
        let error = agent.execute("x").await.unwrap_err();
        assert!(
            error.refusal().is_some_and(|refusal| refusal.halted()),
            "{error}"
        );
        assert_eq!(agent.state(), AgentState::Failed);
        assert_eq!(requests.load(Ordering::SeqCst), 1);
        agent.recover().await.unwrap();
    });
}

#[test]
fn a_refused_tool_is_told_to_the_model() {
    let hooks = HookRegistry::new();
    let _guard = hooks
        .on("no")
        .point("tool.execute")
        .for_component("calculator")
        .guard(no)
        .unwrap();
    with(&hooks, async {
        let script = ScriptedModel::new("m")
            .calls([("calculator", json!({"expression": "1"}))])
            .text("{{1.error}}");
        let agent = fresh(script);
        agent.initialize().await.unwrap();
        let output = agent.execute("x").await.unwrap();
        assert_eq!(output.text, "tool.execute refused by hook `no`: no");
        assert!(output.tool_calls[0].failed);
    });
}

#[test]
fn delegation_can_be_refused_and_sent_to_another_agent() {
    let hooks = HookRegistry::new();
    with(&hooks, async {
        let roster = Arc::new(AgentRoster::new());
        for name in ["one", "two"] {
            let agent = Agent::builder(name)
                .model(ScriptedModel::new(name).text(name))
                .build()
                .unwrap();
            agent.initialize().await.unwrap();
            roster.add(Arc::new(agent)).unwrap();
        }
        let chief = Agent::builder("chief")
            .model(echo())
            .roster(&roster)
            .build()
            .unwrap();
        let refuse = hooks
            .on("no")
            .point("agent.delegate")
            .for_component("chief")
            .guard(no)
            .unwrap();
        assert_refused(chief.delegate("one", "x").await, "agent.delegate");
        drop(refuse);
        let _hook = hooks
            .intercept("other", "agent.delegate", |cx: &mut HookContext<'_>| {
                *cx.arg_mut::<String>("to")? = "two".to_owned();
                Ok::<_, HookError>(())
            })
            .unwrap();
        assert_eq!(chief.delegate("one", "x").await.unwrap().text, "two");
    });
}

#[test]
fn an_exceeded_limit_is_told_with_its_figures() {
    let hooks = HookRegistry::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let _watch = hooks
        .intercept("watch", "system.limit", move |cx: &mut HookContext<'_>| {
            let (limit, allowed, used) = (
                cx.arg::<str>("limit")?,
                cx.arg::<u64>("allowed")?,
                cx.arg::<u64>("used")?,
            );
            log.lock()
                .unwrap()
                .push(format!("{limit} {allowed} {used}"));
            Ok::<_, HookError>(())
        })
        .unwrap();
    with(&hooks, async {
        let limits = AgentLimits::default().max_steps(0);
        let agent = Agent::builder("a")
            .model(echo())
            .limits(limits)
            .build()
            .unwrap();
        agent.initialize().await.unwrap();
        assert!(matches!(
            agent.execute("x").await,
            Err(AgentError::LimitExceeded { .. })
        ));
    });
    assert_eq!(*seen.lock().unwrap(), ["steps 0 1"]);
}
