//! Random hooks, for properties: each says one thing in one phase, and writes down what it sees.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::{
    GuardContext, HookContext, HookError, HookRegistry, HookResult, OnFailure, Phase, Priority,
    Vote,
};
use proptest::prelude::*;

/// What hooks and bodies wrote down, in order.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Continue,
    Replace,
    Redirect,
    Cache,
    Allow,
    Ask,
    Cancel,
    Halt,
    Fail,
    Panic,
}

impl Says {
    /// As a vote; what only an intercept can answer is none.
    fn vote(self) -> Result<Vote, HookError> {
        Ok(match self {
            Says::Continue | Says::Replace | Says::Redirect | Says::Cache => Vote::Pass,
            Says::Allow => Vote::Allow,
            Says::Ask => Vote::ask("?"),
            Says::Cancel => Vote::cancel("no"),
            Says::Halt => Vote::halt("stop"),
            Says::Fail => return Err("fails".into()),
            Says::Panic => panic!("panics"),
        })
    }

    fn answer(self, name: &str) -> Result<HookResult, HookError> {
        Ok(match self {
            Says::Replace => HookResult::replace(format!("by {name}")),
            Says::Redirect => HookResult::redirect("elsewhere"),
            Says::Cache => HookResult::cache("key", Duration::from_secs(1)),
            vote => vote.vote()?.into(),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) guard: bool,
    pub(crate) phase: Phase,
    pub(crate) says: Says,
    /// An intercept appends its name to the argument or the result before it says anything.
    pub(crate) appends: bool,
    /// Every third call only, so that rows stop at other places from call to call.
    pub(crate) sometimes: bool,
    pub(crate) open: bool,
    pub(crate) local: bool,
    pub(crate) once: bool,
    pub(crate) timeout: bool,
    pub(crate) shadow: bool,
    pub(crate) priority: i32,
}

pub(crate) fn spec() -> impl Strategy<Value = Spec> {
    let says = prop_oneof![
        6 => Just(Says::Continue),
        1 => Just(Says::Replace),
        1 => Just(Says::Redirect),
        1 => Just(Says::Cache),
        1 => Just(Says::Allow),
        1 => Just(Says::Ask),
        1 => Just(Says::Cancel),
        1 => Just(Says::Halt),
        1 => Just(Says::Fail),
        1 => Just(Says::Panic),
    ];
    let phase = prop_oneof![Just(Phase::Pre), Just(Phase::Post), Just(Phase::Error)];
    let rarely = || prop::bool::weighted(0.1);
    let flags = (
        prop::bool::weighted(0.3),
        any::<bool>(),
        any::<bool>(),
        rarely(),
        rarely(),
        rarely(),
        rarely(),
    );
    (any::<bool>(), phase, says, flags, -2..3_i32).prop_map(
        |(guard, phase, says, flags, priority)| {
            let (appends, sometimes, open, local, once, timeout, shadow) = flags;
            Spec {
                // Guards of failed bodies do not exist.
                guard: guard && phase != Phase::Error,
                phase,
                says,
                appends,
                sometimes,
                open,
                local,
                once,
                timeout,
                shadow,
                priority,
            }
        },
    )
}

/// Tells when it is dropped: what a hook kept goes with the call.
struct Dropped(String, Seen);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(format!("{} dropped", self.0));
    }
}

impl Spec {
    /// The same without what is more than a vote or a failure.
    pub(crate) fn only_votes(self) -> Spec {
        let says = match self.says {
            Says::Replace | Says::Redirect | Says::Cache => Says::Continue,
            says => says,
        };
        Spec {
            says,
            appends: false,
            ..self
        }
    }

    /// Registers it at the points of the pattern.
    pub(crate) fn add(self, registry: &HookRegistry, pattern: &str, name: String, seen: &Seen) {
        let mut hook = registry
            .on(name.clone())
            .point(pattern)
            .phase(self.phase)
            .priority(Priority(self.priority));
        if self.open {
            hook = hook.on_failure(OnFailure::Open);
        }
        if self.once {
            hook = hook.once();
        }
        if self.timeout {
            hook = hook.timeout(Duration::from_secs(60));
        }
        if self.shadow {
            hook = hook.shadow();
        }
        let (seen, calls) = (seen.clone(), Mutex::new(0_u32));
        let speaks = move |sometimes: bool| {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            !sometimes || *calls % 3 == 0
        };
        let registered = if self.guard {
            hook.guard(move |cx| {
                seen.lock().unwrap().push(sees(&name, cx));
                if speaks(self.sometimes) {
                    self.says.vote()
                } else {
                    Ok(Vote::Pass)
                }
            })
        } else {
            hook.intercept(move |cx| {
                let asked = format!("{name} {:?}", cx.phase());
                seen.lock().unwrap().push(asked);
                if self.local {
                    cx.local(Dropped(name.clone(), seen.clone()));
                }
                if !speaks(self.sometimes) {
                    return Ok(HookResult::Continue);
                }
                if self.appends {
                    append(&name, cx)?;
                }
                self.says.answer(&name)
            })
        };
        registered.expect("it is registered").forget();
    }
}

/// What a guard sees: the argument before the body, with the value that is planned, and the result after it.
fn sees(name: &str, cx: &GuardContext<'_>) -> String {
    let text = |value: Result<&String, _>| {
        value.map_or_else(|error: hookpoint::ArgError| error.to_string(), Clone::clone)
    };
    match cx.phase() {
        Phase::Pre => {
            let planned = cx.result::<String>().ok();
            let input = text(cx.arg::<String>("input"));
            format!("{name} with {planned:?} sees pre {input}")
        }
        _ => format!("{name} sees post {}", text(cx.result::<String>())),
    }
}

fn append(name: &str, cx: &mut HookContext<'_>) -> Result<(), HookError> {
    match cx.phase() {
        Phase::Pre => cx.arg_mut::<String>("input")?.push_str(name),
        Phase::Post => cx.result_mut::<String>()?.push_str(name),
        _ => {}
    }
    Ok(())
}
