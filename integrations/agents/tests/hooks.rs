//! What hooks do at the points of agents.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooks_agents::{
    Agent, AgentError, AgentLimits, AgentOutput, AgentRoster, AgentState, Message, Model,
    ModelError, ModelRequest, ModelResponse, ScriptedModel,
};
use hooks_runtime::{
    GuardContext, HookContext, HookError, HookRegistry, HookResult, HookScope, Outcome, Vote,
    async_trait,
};
use hooks_tools::ToolRegistry;
use hooks_tools::util::Calculator;
use serde_json::json;

/// Runs `test` with `hooks` in force and no others, from start to drop.
fn with<T>(hooks: &HookRegistry, test: impl Future<Output = T>) -> T {
    let scope = HookScope::isolated(hooks);
    let _entered = scope.enter();
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(test)
}

fn fresh(model: impl Model + 'static) -> Agent {
    let tools = ToolRegistry::new();
    tools.register(Calculator::new()).expect("a new name");
    Agent::builder("a")
        .model(model)
        .tools(Arc::new(tools))
        .build()
        .expect("complete")
}

fn echo() -> ScriptedModel {
    ScriptedModel::new("echo").text("{{input}}")
}

/// A model that never answers.
struct Silent;

#[async_trait]
impl Model for Silent {
    fn name(&self) -> &str {
        "silent"
    }
    async fn request(&self, _request: ModelRequest) -> Result<ModelResponse, ModelError> {
        std::future::pending().await
    }
}

/// Polls once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())
    })
    .await
}

fn no(_: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::cancel("no"))
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, AgentError>, point: &str) {
    match result {
        Err(AgentError::Refused(refusal)) => {
            assert_eq!((refusal.point(), refusal.reason()), (point, "no"))
        }
        other => panic!("not refused: {other:?}"),
    }
}

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
fn a_dropped_run_is_ready_again_and_both_are_seen() {
    let hooks = HookRegistry::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let _cancelled = hooks
        .observe("log", "agent.execute", move |record| {
            log.lock().unwrap().push(format!("{:?}", record.outcome))
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
fn model_requests_can_be_refused_changed_and_answered() {
    let hooks = HookRegistry::new();
    let refuse = hooks
        .on("no")
        .point("model.request")
        .for_component("echo")
        .guard(no)
        .unwrap();
    with(&hooks, async {
        let agent = fresh(echo());
        agent.initialize().await.unwrap();
        assert_refused(agent.execute("x").await, "model.request");
        assert_eq!(agent.state(), AgentState::Ready);
        drop(refuse);
        let change = hooks
            .intercept("change", "model.request", |cx: &mut HookContext<'_>| {
                let request = cx.arg_mut::<ModelRequest>("request")?;
                request.messages = vec![Message::User {
                    text: "changed".to_owned(),
                }];
                Ok::<_, HookError>(())
            })
            .unwrap();
        assert_eq!(agent.execute("x").await.unwrap().text, "changed");
        drop(change);
        let _answer = hooks
            .intercept("answer", "model.request", |_: &mut HookContext<'_>| {
                HookResult::replace_json(json!({"text": "canned"}))
            })
            .unwrap();
        assert_eq!(agent.execute("x").await.unwrap().text, "canned");
    });
}

/// Fails on its first request.
#[derive(Default)]
struct Flaky(AtomicUsize);

#[async_trait]
impl Model for Flaky {
    fn name(&self) -> &str {
        "flaky"
    }
    async fn request(&self, request: ModelRequest) -> Result<ModelResponse, ModelError> {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(ModelError::Failed {
                model: "flaky".to_owned(),
                reason: "not yet".to_owned(),
            });
        }
        echo().request(request).await
    }
}

#[test]
fn a_failed_model_request_can_be_tried_again() {
    let hooks = HookRegistry::new();
    let _retry = hooks
        .on("again")
        .point("model.request")
        .error()
        .may_retry()
        .intercept(|_| HookResult::retry(Duration::ZERO, 2))
        .unwrap();
    with(&hooks, async {
        let agent = fresh(Flaky::default());
        agent.initialize().await.unwrap();
        assert_eq!(agent.execute("x").await.unwrap().text, "x");
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
            assert_eq!(record.outcome, Outcome::Returned);
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

#[test]
fn every_point_has_its_site_with_the_documented_arguments() {
    let expected = [
        ("agent.delegate", vec!["from", "to", "input"]),
        ("agent.execute", vec!["agent", "input"]),
        ("agent.fail", vec!["agent", "from", "to", "reason"]),
        ("agent.init", vec!["agent", "from", "to", "reason"]),
        ("agent.pause", vec!["agent", "from", "to", "reason"]),
        ("agent.recover", vec!["agent", "from", "to", "reason"]),
        ("agent.resume", vec!["agent", "from", "to", "reason"]),
        ("agent.start", vec!["agent", "from", "to", "reason"]),
        ("agent.stop", vec!["agent", "from", "to", "reason"]),
        ("agent.transition", vec!["agent", "from", "to", "reason"]),
        ("model.request", vec!["agent", "request"]),
        ("system.limit", vec!["agent", "limit", "allowed", "used"]),
    ];
    for (point, args) in expected {
        let sites: Vec<_> = hooks_runtime::sites()
            .into_iter()
            .map(|site| site.info())
            .filter(|site| site.point == point && site.package == "hooks-agents")
            .collect();
        // One function each; `agent.transition` has one that can refuse and two that can only be watched.
        assert_eq!(
            sites.len(),
            if point == "agent.transition" { 3 } else { 1 },
            "{point}"
        );
        for site in sites {
            assert_eq!(
                site.args.iter().map(|a| a.name).collect::<Vec<_>>(),
                args,
                "{}",
                site.path
            );
        }
    }
}
