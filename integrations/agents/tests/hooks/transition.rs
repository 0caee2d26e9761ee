use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hooks_agents::{Agent, AgentError, AgentState, ScriptedModel};
use hooks_runtime::{
    GuardContext, HookContext, HookError, HookRegistry, HookResult, Outcome, Vote,
};

use crate::fixture::{Silent, assert_refused, echo, fresh, poll_once, with};

/// Brings `agent` to the state before the transition, tries it, and gives the state it was in and what came out.
async fn attempt(agent: &Agent, action: &str) -> (AgentState, Result<(), AgentError>) {
    if action == "init" {
        return (agent.state(), agent.initialize().await);
    }
    agent.initialize().await.expect("initializes");
    match action {
        "start" => (agent.state(), agent.execute("x").await.map(drop)),
        "recover" => {
            assert!(agent.execute("x").await.is_err());
            (agent.state(), agent.recover().await)
        }
        _ => {
            let mut run = Box::pin(agent.execute("x"));
            assert!(!poll_once(&mut run).await);
            let outcome = match action {
                "pause" => (agent.state(), agent.pause().await),
                _ => {
                    agent.pause().await.expect("pauses");
                    (agent.state(), agent.resume().await)
                }
            };
            assert_eq!(agent.state(), outcome.0, "the state is what it was");
            outcome
        }
    }
}

#[test]
fn a_refused_transition_leaves_the_state_before_and_after_the_body() {
    for (action, to) in [
        ("init", AgentState::Ready),
        ("start", AgentState::Running),
        ("pause", AgentState::Paused),
        ("resume", AgentState::Running),
        ("recover", AgentState::Ready),
    ] {
        let own = format!("agent.{action}");
        for point in [own.as_str(), "agent.transition"] {
            for post in [false, true] {
                let hooks = HookRegistry::new();
                let builder = hooks.on("stop").point(point);
                let builder = if post {
                    builder.post().args_after()
                } else {
                    builder
                };
                let reason_of = match action {
                    "init" => "initialized",
                    "start" => "execute",
                    "pause" => "paused",
                    "resume" => "resumed",
                    _ => "recovered",
                };
                let _guard = builder
                    .guard(move |cx| {
                        Ok(Vote::cancel_if(cx.arg::<str>("reason")? == reason_of, "no"))
                    })
                    .unwrap();
                with(&hooks, async {
                    let agent = if action == "recover" {
                        fresh(ScriptedModel::new("empty"))
                    } else {
                        fresh(Silent)
                    };
                    let (before, result) = attempt(&agent, action).await;
                    assert_refused(result, point);
                    assert!(before.may_become(to));
                    if matches!(action, "init" | "start" | "recover") {
                        assert_eq!(agent.state(), before, "{action} at {point}, post: {post}");
                    }
                });
            }
        }
    }
}

#[test]
fn failing_and_stopping_can_be_watched_and_not_prevented() {
    let hooks = HookRegistry::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let _watch = hooks
        .intercept("watch", "agent.*", move |cx: &mut HookContext<'_>| {
            if cx
                .site()
                .args
                .iter()
                .any(|arg| arg.name == "to" && arg.ty.contains("AgentState"))
            {
                let (from, to) = (cx.arg::<AgentState>("from")?, cx.arg::<AgentState>("to")?);
                if to.is_observed_only() {
                    log.lock()
                        .unwrap()
                        .push(format!("{} {from} {to}", cx.point_name()));
                }
            }
            Ok::<_, HookError>(())
        })
        .unwrap();
    with(&hooks, async {
        let agent = fresh(ScriptedModel::new("empty"));
        agent.initialize().await.unwrap();
        assert!(agent.execute("x").await.is_err());
        assert_eq!(agent.state(), AgentState::Failed);
        agent.stop().await.unwrap();
        assert_eq!(agent.state(), AgentState::Terminated);
    });
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "agent.fail running failed",
            "agent.transition running failed",
            "agent.stop failed terminated",
            "agent.transition failed terminated",
        ]
    );
}

#[test]
fn a_hook_may_send_a_transition_elsewhere_but_only_where_it_may_go() {
    for (to, legal) in [
        (AgentState::Failed, true),
        (AgentState::Paused, false),
        (AgentState::Initializing, false),
    ] {
        let hooks = HookRegistry::new();
        let _hook = hooks
            .intercept(
                "divert",
                "agent.transition",
                move |cx: &mut HookContext<'_>| {
                    if *cx.arg::<AgentState>("from")? == AgentState::Initializing {
                        *cx.arg_mut::<AgentState>("to")? = to;
                    }
                    Ok::<_, HookError>(())
                },
            )
            .unwrap();
        with(&hooks, async {
            let agent = fresh(echo());
            let error = agent.initialize().await.unwrap_err();
            if legal {
                assert!(
                    matches!(error, AgentError::Diverted { entered, .. } if entered == to),
                    "{error}"
                );
                assert_eq!(agent.state(), to);
            } else {
                assert!(
                    matches!(error, AgentError::IllegalTransition { to: t, .. } if t == to),
                    "{error}"
                );
                assert_eq!(agent.state(), AgentState::Initializing);
            }
        });
    }
}

#[test]
fn a_replaced_target_is_checked_too() {
    let hooks = HookRegistry::new();
    let _hook = hooks.intercept("swap", "agent.transition", |_: &mut HookContext<'_>| {
        HookResult::replace(AgentState::Paused)
    });
    with(&hooks, async {
        let agent = fresh(echo());
        let error = agent.initialize().await.unwrap_err();
        assert!(
            matches!(
                error,
                AgentError::IllegalTransition {
                    to: AgentState::Paused,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(agent.state(), AgentState::Initializing);
    });
}

#[test]
fn a_hook_may_ask_for_the_state_and_is_stopped_from_changing_it() {
    let hooks = HookRegistry::new();
    let agent = Arc::new(fresh(echo()));
    let answers = Arc::new(Mutex::new(Vec::new()));
    let state = (Arc::clone(&agent), Arc::clone(&answers));
    let _hook = hooks
        .on("curious")
        .point("agent.init")
        .intercept_async_with(state, |(agent, answers), _cx| {
            Box::pin(async move {
                let nested = agent.stop().await;
                answers.lock().unwrap().push((
                    agent.state(),
                    matches!(nested, Err(AgentError::Reentrant { .. })),
                ));
                Ok(HookResult::Continue)
            })
        })
        .unwrap();
    with(&hooks, async { agent.initialize().await }).unwrap();
    assert_eq!(*answers.lock().unwrap(), [(AgentState::Initializing, true)]);
    assert_eq!(agent.state(), AgentState::Ready);
}

#[test]
fn an_agent_that_may_not_become_ready_has_failed() {
    let hooks = HookRegistry::new();
    let _guard = hooks
        .guard("stuck", "agent.transition", |cx: &GuardContext<'_>| {
            Ok(Vote::cancel_if(cx.arg::<str>("reason")? == "done", "no"))
        })
        .unwrap();
    with(&hooks, async {
        let agent = fresh(echo());
        agent.initialize().await.unwrap();
        assert_refused(agent.execute("x").await, "agent.transition");
        assert_eq!(agent.state(), AgentState::Failed);
    });
}

#[test]
fn a_thousand_transitions_are_each_observed_once() {
    let hooks = HookRegistry::new();
    let outcomes = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&outcomes);
    let _observer = hooks
        .observe("count", "agent.transition", move |record| {
            assert_eq!(record.outcome(), Outcome::Returned);
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    with(&hooks, async {
        let agent = fresh(echo());
        agent.initialize().await.unwrap();
        for _ in 0..500 {
            agent.execute("x").await.unwrap();
        }
    });
    assert_eq!(outcomes.load(Ordering::SeqCst), 1 + 2 * 500);
}
