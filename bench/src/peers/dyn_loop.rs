//! The least that asking hooks at run time can cost: a list of trait objects, called one after another.

use std::hint::black_box;
use std::sync::Arc;

use hookpoint::HookRefusal;

use crate::sites::Answer;

/// One argument.
pub enum Value<'a> {
    /// A number.
    Number(&'a mut u64),
    /// A text.
    Text(&'a mut &'static str),
}

/// What a hook sees.
pub struct Context<'a> {
    /// Where.
    pub point: &'static str,
    /// The arguments.
    pub args: &'a mut [Value<'a>],
    /// After the body, its result.
    pub result: Option<&'a mut u64>,
}

/// A hook.
pub trait Hook: Send + Sync {
    /// Before the body.
    ///
    /// # Errors
    /// A refusal.
    fn pre(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal>;
    /// Before the body, after all others were asked.
    ///
    /// # Errors
    /// A refusal.
    fn decide(&self, cx: &Context<'_>) -> Result<(), HookRefusal>;
    /// After the body.
    ///
    /// # Errors
    /// A refusal.
    fn post(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal>;
    /// When the call is done.
    fn done(&self, cx: &Context<'_>);
}

struct NoOp;

impl Hook for NoOp {
    fn pre(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal> {
        black_box(cx);
        Ok(())
    }
    fn decide(&self, cx: &Context<'_>) -> Result<(), HookRefusal> {
        black_box(cx);
        Ok(())
    }
    fn post(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal> {
        black_box(cx);
        Ok(())
    }
    fn done(&self, cx: &Context<'_>) {
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

/// Asks each hook before and after `body`.
///
/// # Errors
/// The first refusal.
#[inline(never)]
pub fn around(
    hooks: &[Arc<dyn Hook>],
    body: impl FnOnce(u64, u64, &'static str) -> Answer,
    (mut a, mut b, mut label): (u64, u64, &'static str),
) -> Answer {
    let mut args = [
        Value::Number(&mut a),
        Value::Number(&mut b),
        Value::Text(&mut label),
    ];
    let mut cx = Context {
        point: "dyn",
        args: &mut args,
        result: None,
    };
    for hook in hooks {
        hook.pre(&mut cx)?;
    }
    let mut result = body(a, b, label)?;
    let mut args = [
        Value::Number(&mut a),
        Value::Number(&mut b),
        Value::Text(&mut label),
    ];
    let mut cx = Context {
        point: "dyn",
        args: &mut args,
        result: Some(&mut result),
    };
    for hook in hooks {
        hook.post(&mut cx)?;
    }
    Ok(result)
}

/// Calls all four functions of each hook, as one hook of each role is called.
///
/// # Errors
/// The first refusal.
#[inline(never)]
pub fn all_roles_around(
    hooks: &[Arc<dyn Hook>],
    body: impl FnOnce(u64, u64, &'static str) -> Answer,
    (mut a, mut b, mut label): (u64, u64, &'static str),
) -> Answer {
    let mut args = [
        Value::Number(&mut a),
        Value::Number(&mut b),
        Value::Text(&mut label),
    ];
    let mut cx = Context {
        point: "dyn",
        args: &mut args,
        result: None,
    };
    for hook in hooks {
        hook.pre(&mut cx)?;
    }
    for hook in hooks {
        hook.decide(&cx)?;
    }
    let mut result = body(a, b, label)?;
    let mut args = [
        Value::Number(&mut a),
        Value::Number(&mut b),
        Value::Text(&mut label),
    ];
    let mut cx = Context {
        point: "dyn",
        args: &mut args,
        result: Some(&mut result),
    };
    for hook in hooks {
        hook.post(&mut cx)?;
    }
    for hook in hooks {
        hook.done(&cx);
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Asked(Mutex<Vec<&'static str>>);

    impl Asked {
        fn note(&self, what: &'static str) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Hook for Asked {
        fn pre(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal> {
            assert!(cx.result.is_none());
            for value in cx.args.iter_mut() {
                if let Value::Number(number) = value {
                    **number += 1;
                }
            }
            self.note("pre");
            Ok(())
        }
        fn decide(&self, _: &Context<'_>) -> Result<(), HookRefusal> {
            self.note("decide");
            Ok(())
        }
        fn post(&self, cx: &mut Context<'_>) -> Result<(), HookRefusal> {
            **cx.result.as_mut().unwrap() *= 2;
            self.note("post");
            Ok(())
        }
        fn done(&self, _: &Context<'_>) {
            self.note("done");
        }
    }

    #[test]
    fn hooks_are_asked_and_may_change_what_they_see() {
        let hook = Arc::new(Asked::default());
        let hooks: [Arc<dyn Hook>; 1] = [hook.clone()];
        let sum = |a, b, _: &'static str| Ok(a + b);
        assert_eq!(around(&hooks, sum, (1, 2, "")).ok(), Some(10));
        assert_eq!(*hook.0.lock().unwrap(), ["pre", "post"]);
        assert_eq!(all_roles_around(&hooks, sum, (1, 2, "")).ok(), Some(10));
        assert_eq!(
            hook.0.lock().unwrap()[2..],
            ["pre", "decide", "post", "done"]
        );
    }
}
