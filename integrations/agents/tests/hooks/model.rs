use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hooks_agents::{AgentState, Message, Model, ModelError, ModelRequest, ModelResponse};
use hooks_runtime::{HookContext, HookError, HookRegistry, HookResult, async_trait};
use serde_json::json;

use crate::fixture::{assert_refused, echo, fresh, no, with};

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
