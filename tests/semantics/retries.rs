//! What another attempt finds.

use std::sync::Arc;
use std::time::Duration;

use hookpoint::test::registry;
use hookpoint::{HookRefusal, HookRegistry, HookResult, HookScope, hooked};

/// A value of an attempt: as many of them live as there are handles on it besides the caller's.
type Value = Arc<()>;

#[derive(Debug)]
#[allow(dead_code, reason = "held for its drop")]
enum Failure {
    Refused(HookRefusal),
    Own(Value),
}

impl From<HookRefusal> for Failure {
    fn from(refusal: HookRefusal) -> Self {
        Failure::Refused(refusal)
    }
}

/// A body that sees how many values of earlier attempts are still there.
fn body(value: &Value, fails: bool) -> Result<Value, Failure> {
    assert_eq!(
        Arc::strong_count(value),
        1,
        "the value of the attempt before is still there"
    );
    if fails {
        Err(Failure::Own(value.clone()))
    } else {
        Ok(value.clone())
    }
}

#[hooked(point = "retries.sync", retry)]
fn sync(value: &Value, fails: bool) -> Result<Value, Failure> {
    body(value, fails)
}

#[hooked(point = "retries.async", retry)]
async fn asynchronous(value: &Value, fails: bool) -> Result<Value, Failure> {
    tokio::task::yield_now().await;
    body(value, fails)
}

fn retries(registry: &HookRegistry) {
    registry
        .on("retries")
        .point("retries.*")
        .post()
        .error()
        .may_retry()
        .intercept(|_| HookResult::retry(Duration::ZERO, 3))
        .unwrap()
        .forget();
}

/// A value may hold what the body needs: a lock, a connection, a file.
#[tokio::test]
async fn the_value_of_an_attempt_is_gone_before_the_next_one_begins() {
    let kit = registry();
    let bare = HookRegistry::new();
    for (registry, scope) in [
        (&*kit, HookScope::isolated(&kit)),
        (&bare, HookScope::isolated(&bare)),
    ] {
        retries(registry);
        for fails in [false, true] {
            let value = Value::default();
            {
                let _entered = scope.enter();
                assert_eq!(sync(&value, fails).is_err(), fails);
            }
            let result = scope.wrap(asynchronous(&value, fails)).await;
            assert_eq!(result.is_err(), fails);
        }
    }
    let attempts: Vec<_> = kit.records().iter().map(|r| r.attempts()).collect();
    assert_eq!(attempts, [3, 3, 3, 3]);
}
