//! The usual design of a hook system: hooks by name behind a lock, and a context that owns all of its parts.
//!
//! Before and after a body are two points. For each, a call makes an id and a time, puts the arguments or the
//! result into a JSON object, takes the lock, copies the list of hooks and awaits `async_trait` objects.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hookpoint::HookRefusal;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::sites::Answer;

/// What a hook gets.
pub struct Context {
    /// Of this asking.
    pub id: Uuid,
    /// When it was asked.
    pub time: DateTime<Utc>,
    /// Where.
    pub point: String,
    /// Arguments by name, or the result.
    pub data: Map<String, Value>,
}

/// A hook.
#[async_trait]
pub trait Hook: Send + Sync {
    /// Asked before and after the body.
    ///
    /// # Errors
    /// A refusal.
    async fn execute(&self, cx: &mut Context) -> Result<(), HookRefusal>;
}

struct NoOp;

#[async_trait]
impl Hook for NoOp {
    async fn execute(&self, cx: &mut Context) -> Result<(), HookRefusal> {
        black_box(cx);
        Ok(())
    }
}

/// Hooks by the name of their point.
#[derive(Default)]
pub struct Registry(RwLock<HashMap<String, Vec<Arc<dyn Hook>>>>);

impl Registry {
    /// With that many hooks that do nothing, before and after `point`.
    pub fn with_no_ops(point: &str, count: usize) -> Self {
        let hooks = || {
            (0..count)
                .map(|_| Arc::new(NoOp) as Arc<dyn Hook>)
                .collect()
        };
        let both = ["before", "after"].map(|phase| (format!("{phase}.{point}"), hooks()));
        black_box(Registry(RwLock::new(HashMap::from(both))))
    }

    async fn ask(
        &self,
        phase: &str,
        point: &str,
        data: Map<String, Value>,
    ) -> Result<(), HookRefusal> {
        let mut cx = Context {
            id: Uuid::new_v4(),
            time: Utc::now(),
            point: format!("{phase}.{point}"),
            data,
        };
        let hooks = {
            let hooks = self.0.read().unwrap_or_else(PoisonError::into_inner);
            hooks.get(&cx.point).cloned().unwrap_or_default()
        };
        for hook in hooks {
            hook.execute(&mut cx).await?;
        }
        Ok(())
    }

    /// Asks each hook of `point` before and after `body`.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn around<F: Future<Output = Answer>>(
        &self,
        point: &str,
        body: impl FnOnce(u64, u64, &'static str) -> F,
        (a, b, label): (u64, u64, &'static str),
    ) -> Answer {
        let args = [("a", a.into()), ("b", b.into()), ("label", label.into())];
        let args = args.map(|(name, value): (&str, Value)| (name.to_owned(), value));
        self.ask("before", point, Map::from_iter(args)).await?;
        let result = body(a, b, label).await?;
        let data = [("result".to_owned(), result.into())];
        self.ask("after", point, Map::from_iter(data)).await?;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::sites::ready;

    #[derive(Default)]
    struct Asked(Mutex<Vec<(String, String)>>);

    #[async_trait]
    impl Hook for Asked {
        async fn execute(&self, cx: &mut Context) -> Result<(), HookRefusal> {
            let data = serde_json::to_string(&cx.data).unwrap();
            self.0.lock().unwrap().push((cx.point.clone(), data));
            Ok(())
        }
    }

    #[test]
    fn hooks_get_arguments_then_the_result() {
        let hook = Arc::new(Asked::default());
        let both =
            ["before.x", "after.x"].map(|p| (p.to_owned(), vec![hook.clone() as Arc<dyn Hook>]));
        let registry = Registry(RwLock::new(HashMap::from(both)));
        let answer = ready(registry.around("x", async |a, b, _| Ok(a + b), (1, 2, "three")));
        assert_eq!(answer.ok(), Some(3));
        let asked = hook.0.lock().unwrap();
        assert_eq!(
            asked[0],
            ("before.x".into(), r#"{"a":1,"b":2,"label":"three"}"#.into())
        );
        assert_eq!(asked[1], ("after.x".into(), r#"{"result":3}"#.into()));
        assert_eq!(asked.len(), 2);
    }
}
