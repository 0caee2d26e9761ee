//! The usual way to have asynchronous hooks: `async_trait` objects, awaited one after another.

use std::hint::black_box;
use std::sync::Arc;

use async_trait::async_trait;
use hookpoint::HookRefusal;

use super::dyn_loop::{Context, Value};
use crate::sites::Answer;

/// A hook.
#[async_trait]
pub trait Hook: Send + Sync {
    /// Before the body.
    ///
    /// # Errors
    /// A refusal.
    async fn pre(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal>;
    /// Before the body, after all others were asked.
    ///
    /// # Errors
    /// A refusal.
    async fn decide(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal>;
    /// After the body.
    ///
    /// # Errors
    /// A refusal.
    async fn post(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal>;
    /// When the call is done.
    async fn done(&self, cx: &mut Context<'_>);
}

struct NoOp;

#[async_trait]
impl Hook for NoOp {
    async fn pre(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal> {
        black_box(cx);
        Ok(())
    }
    async fn decide(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal> {
        black_box(cx);
        Ok(())
    }
    async fn post(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal> {
        black_box(cx);
        Ok(())
    }
    async fn done(&self, cx: &mut Context<'_>) {
        black_box(cx);
    }
}

/// That many hooks that do nothing. The list escapes, so that the compiler cannot know what is in it.
pub fn no_ops(count: usize) -> Vec<Arc<dyn Hook>> {
    black_box(
        (0..count)
            .map(|_| Arc::new(NoOp) as Arc<dyn Hook>)
            .collect(),
    )
}

/// Asks each hook before and after `body`; with `all_roles`, calls all four functions of each.
///
/// # Errors
/// The first refusal.
pub async fn around<F: Future<Output = Answer>>(
    hooks: &[Arc<dyn Hook>],
    all_roles: bool,
    body: impl FnOnce(u64, u64, &'static str) -> F,
    (mut a, mut b, mut label): (u64, u64, &'static str),
) -> Answer {
    let mut args = [
        Value::Number(&mut a),
        Value::Number(&mut b),
        Value::Text(&mut label),
    ];
    let mut cx = Context {
        point: "async_trait",
        args: &mut args,
        result: None,
    };
    for hook in hooks {
        hook.pre(&mut cx).await?;
    }
    if all_roles {
        for hook in hooks {
            hook.decide(&mut cx).await?;
        }
    }
    let mut result = body(a, b, label).await?;
    let mut args = [
        Value::Number(&mut a),
        Value::Number(&mut b),
        Value::Text(&mut label),
    ];
    let mut cx = Context {
        point: "async_trait",
        args: &mut args,
        result: Some(&mut result),
    };
    for hook in hooks {
        hook.post(&mut cx).await?;
    }
    if all_roles {
        for hook in hooks {
            hook.done(&mut cx).await;
        }
    }
    Ok(result)
}
