use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hooks_runtime::hooked;
use hooks_tools::util::{Calculator, HashCalculator};
use hooks_tools::{
    SecurityLevel, Tool, ToolCategory, ToolError, ToolLimits, ToolOutput, ToolRegistry,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A tool that ends when the test lets it.
struct Gate {
    level: SecurityLevel,
    entered: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

#[async_trait]
impl Tool for Gate {
    fn name(&self) -> &str {
        "gate"
    }
    fn description(&self) -> &str {
        "Waits for the test"
    }
    fn category(&self) -> ToolCategory {
        ToolCategory::System
    }
    fn security_level(&self) -> SecurityLevel {
        self.level
    }
    fn parameters(&self) -> Value {
        json!({"type": "object"})
    }
    #[hooked(point = "tool.execute", component = self.name())]
    async fn execute(&self, params: Value) -> Result<ToolOutput, ToolError> {
        self.entered.add_permits(1);
        let _open = self
            .open
            .acquire()
            .await
            .map_err(|e| ToolError::failed("gate", e.to_string()))?;
        Ok(params.into())
    }
}

fn gate(level: SecurityLevel) -> (Gate, Arc<Semaphore>, Arc<Semaphore>) {
    let (entered, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    (
        Gate {
            level,
            entered: Arc::clone(&entered),
            open: Arc::clone(&open),
        },
        entered,
        open,
    )
}

fn registry() -> ToolRegistry {
    let registry = ToolRegistry::new();
    registry.register(Calculator::new()).unwrap();
    registry.register(HashCalculator::new()).unwrap();
    registry
}

#[tokio::test]
async fn a_call_goes_from_name_and_json_to_output() {
    let output = registry()
        .call("calculator", json!({"expression": "6 * 7"}))
        .await
        .unwrap();
    assert_eq!(output.value, json!({"result": 42.0}));
}

#[tokio::test]
async fn an_unknown_name_gets_a_suggestion_or_the_list() {
    let near = registry()
        .call("calculater", json!({}))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        near,
        "no tool is called `calculater`; did you mean `calculator`?"
    );
    let far = registry()
        .call("zzz", json!({}))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        far,
        "no tool is called `zzz`; there are: calculator, hash_calculator"
    );
    let empty = ToolRegistry::new()
        .call("x", json!({}))
        .await
        .unwrap_err()
        .to_string();
    assert!(empty.contains("none is registered"), "{empty}");
}

#[tokio::test]
async fn parameters_are_held_against_the_schema() {
    for (params, reason) in [
        (
            json!({"expresion": "1"}),
            "there is no `expresion`; did you mean `expression`?",
        ),
        (
            json!({"expression": "1", "operation": "guess"}),
            "at `/operation`",
        ),
        (
            json!({"expression": "1", "variables": {"x": "2"}}),
            "at `/variables/x`",
        ),
        (json!(null), "the parameters are null"),
    ] {
        let error = registry()
            .call("calculator", params.clone())
            .await
            .unwrap_err();
        assert!(
            matches!(error, ToolError::Parameters { .. }),
            "{params}: {error}"
        );
        assert!(error.to_string().contains(reason), "{params}: {error}");
    }
}

#[test]
fn names_are_unique_and_cards_are_listed_by_name() {
    let registry = registry();
    let error = registry.register(Calculator::new()).unwrap_err();
    assert!(
        matches!(&error, ToolError::Duplicate { name } if name == "calculator"),
        "{error}"
    );
    let cards = registry.list();
    assert_eq!(
        cards.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
        ["calculator", "hash_calculator"]
    );
    assert_eq!(cards[0].category, ToolCategory::Util);
    assert!(cards[0].parameters["properties"]["expression"].is_object());
    assert_eq!(registry.get("calculator").unwrap().info(), cards[0]);
}

#[tokio::test]
async fn a_tool_above_the_maximum_is_not_called() {
    let (tool, entered, _open) = gate(SecurityLevel::Privileged);
    let registry = ToolRegistry::new();
    registry.register(tool).unwrap();
    let error = registry.call("gate", json!({})).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "tool `gate` is privileged, and this registry calls tools up to restricted; raise its maximum to allow it"
    );
    assert_eq!(entered.available_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_run_limit_stops_a_tool_and_frees_its_slot() {
    let (tool, _entered, open) = gate(SecurityLevel::Privileged);
    let limits = ToolLimits::default().run(Duration::from_secs(2));
    let registry = ToolRegistry::builder()
        .max_security(SecurityLevel::Privileged)
        .max_concurrent(1)
        .limits(limits)
        .build();
    registry.register(tool).unwrap();
    let error = registry.call("gate", json!({})).await.unwrap_err();
    assert!(
        matches!(error, ToolError::TimedOut { limit, .. } if limit == Duration::from_secs(2)),
        "{error}"
    );
    assert!(error.to_string().contains("raise the run limit"), "{error}");
    open.add_permits(1);
    assert_eq!(
        registry.call("gate", json!({"n": 1})).await.unwrap().value,
        json!({"n": 1})
    );
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_slot_and_not_for_ever() {
    let (tool, entered, open) = gate(SecurityLevel::Safe);
    let limits = ToolLimits::default().wait(Duration::from_secs(1));
    let registry = Arc::new(
        ToolRegistry::builder()
            .max_concurrent(1)
            .limits(limits)
            .build(),
    );
    registry.register(tool).unwrap();
    let first = tokio::spawn({
        let registry = Arc::clone(&registry);
        async move { registry.call("gate", json!({})).await }
    });
    entered.acquire().await.unwrap().forget();
    let error = registry.call("gate", json!({})).await.unwrap_err();
    assert!(matches!(error, ToolError::Busy { slots: 1, .. }), "{error}");
    let (second, ()) = tokio::join!(registry.call("gate", json!({})), async {
        open.add_permits(2)
    });
    second.unwrap();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_call_gives_its_slot_back() {
    let (tool, entered, open) = gate(SecurityLevel::Safe);
    let registry = ToolRegistry::builder().max_concurrent(1).build();
    registry.register(tool).unwrap();
    let mut call = Box::pin(registry.call("gate", json!({})));
    tokio::select! {
        biased;
        result = &mut call => panic!("the gate is shut: {result:?}"),
        permit = entered.acquire() => permit.unwrap().forget(),
    }
    drop(call);
    open.add_permits(1);
    registry.call("gate", json!({})).await.unwrap();
}

#[tokio::test]
async fn output_over_the_limit_is_an_error_with_both_sizes() {
    let registry = ToolRegistry::builder()
        .limits(ToolLimits::default().max_output_bytes(14))
        .build();
    registry.register(Calculator::new()).unwrap();
    assert!(
        registry
            .call("calculator", json!({"expression": "1"}))
            .await
            .is_ok()
    );
    let error = registry
        .call("calculator", json!({"expression": "1/3"}))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("over the limit of 14 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn ten_thousand_concurrent_calls_each_get_their_own_result() {
    let registry = Arc::new(registry());
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..10_000 {
        let registry = Arc::clone(&registry);
        calls.spawn(async move {
            let params = json!({"expression": "n * 2", "variables": {"n": n}});
            (
                n,
                registry.call("calculator", params).await.unwrap().value["result"]
                    .as_f64()
                    .unwrap(),
            )
        });
    }
    let results = calls.join_all().await;
    assert_eq!(results.len(), 10_000);
    assert!(
        results
            .into_iter()
            .all(|(n, result)| result == f64::from(n) * 2.0)
    );
}
