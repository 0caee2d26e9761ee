//! The usual design of a hook system: hooks by name behind a lock, and a context that owns all of its parts.
//!
//! Each call makes an id and a time, puts the arguments into a JSON object, takes the lock, copies the list of
//! hooks and awaits `async_trait` objects; after the body the result goes into the same context.

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
    /// Of the call.
    pub id: Uuid,
    /// When it began.
    pub time: DateTime<Utc>,
    /// Where.
    pub point: String,
    /// Arguments by name, then the result.
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
    /// With that many hooks that do nothing at `point`.
    pub fn with_no_ops(point: &str, count: usize) -> Self {
        let hooks = (0..count)
            .map(|_| Arc::new(NoOp) as Arc<dyn Hook>)
            .collect();
        black_box(Registry(RwLock::new(HashMap::from([(
            point.to_owned(),
            hooks,
        )]))))
    }

    fn at(&self, point: &str) -> Vec<Arc<dyn Hook>> {
        let hooks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        hooks.get(point).cloned().unwrap_or_default()
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
        let mut cx = Context {
            id: Uuid::new_v4(),
            time: Utc::now(),
            point: point.to_owned(),
            data: Map::from_iter([
                ("a".to_owned(), a.into()),
                ("b".to_owned(), b.into()),
                ("label".to_owned(), label.into()),
            ]),
        };
        for hook in self.at(point) {
            hook.execute(&mut cx).await?;
        }
        let result = body(a, b, label).await?;
        cx.data.insert("result".to_owned(), result.into());
        for hook in self.at(point) {
            hook.execute(&mut cx).await?;
        }
        Ok(result)
    }
}
