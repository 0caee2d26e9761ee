//! The hook that takes the place of a healthy one and fails in some turns.

use std::collections::Bound;
use std::future::{pending, poll_fn};
use std::ops::RangeBounds;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::Fault;
use crate::answer::{HookResult, Vote};
use crate::clock::Clock;
use crate::context::GuardContext;
use crate::error::HookError;
use crate::hook::{Answer, Callee, Entry};
use crate::point::Phase;
use crate::record::DecisionRecord;
use crate::registry::PreparedHook;

/// A hook, and when and how it fails.
pub(super) struct Faulty {
    pub(super) entry: Arc<Entry>,
    pub(super) fault: Fault,
    pub(super) turns: (Bound<u64>, Bound<u64>),
    pub(super) asked: AtomicU64,
    pub(super) clock: Clock,
}

/// The code of a hook whose kind is known.
macro_rules! code {
    ($hook:ident is $kind:ident) => {
        match &$hook.entry.callee {
            Callee::$kind(code) => code,
            _ => unreachable!("the code of a hook does not change"),
        }
    };
}

impl Faulty {
    /// The hook that takes the place of the healthy one.
    pub(super) fn prepared(self) -> PreparedHook {
        let (meta, hook) = (self.entry.meta.clone(), Arc::new(self));
        match &hook.entry.callee {
            Callee::Intercept(_) => {
                let hook = hook.clone();
                PreparedHook::intercept(meta, move |cx| {
                    let healthy = code!(hook is Intercept);
                    match hook.begin() {
                        None => healthy(cx),
                        Some(Fault::ErrorAtEnd) => healthy(cx).and(Err(injected())),
                        Some(fault) => answer(fault, cx),
                    }
                })
            }
            Callee::Guard(_) => {
                let hook = hook.clone();
                PreparedHook::guard(meta, move |cx| {
                    let healthy = code!(hook is Guard);
                    match hook.begin() {
                        None => healthy(cx),
                        Some(Fault::ErrorAtEnd) => healthy(cx).and(Err(injected())),
                        Some(fault) => vote(fault, cx),
                    }
                })
            }
            Callee::InterceptAsync(_) => {
                PreparedHook::intercept_async_with(meta, hook.clone(), |hook, cx| {
                    Box::pin(async move {
                        let healthy = code!(hook is InterceptAsync);
                        match hook.begin_async().await {
                            None => healthy(cx).await,
                            Some(Fault::ErrorAtEnd) => healthy(cx).await.and(Err(injected())),
                            Some(fault) => answer(fault, cx),
                        }
                    })
                })
            }
            Callee::GuardAsync(_) => {
                PreparedHook::guard_async_with(meta, hook.clone(), |hook, cx| {
                    Box::pin(async move {
                        let healthy = code!(hook is GuardAsync);
                        match hook.begin_async().await {
                            None => healthy(cx).await,
                            Some(Fault::ErrorAtEnd) => healthy(cx).await.and(Err(injected())),
                            Some(fault) => vote(fault, cx),
                        }
                    })
                })
            }
            Callee::Observe(_) => {
                let hook = hook.clone();
                PreparedHook::observe(meta, move |record: &DecisionRecord| {
                    let healthy = code!(hook is Observe);
                    match hook.begin() {
                        None => healthy(record),
                        Some(fault) => panic_with(fault),
                    }
                })
            }
        }
    }

    /// How it fails this time; `None`: it does what it always does.
    fn begin(&self) -> Option<Fault> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        if !self.turns.contains(&turn) {
            return None;
        }
        if let Fault::Late(by) = self.fault {
            self.clock.advance(by);
            return None;
        }
        Some(self.fault)
    }

    async fn begin_async(&self) -> Option<Fault> {
        match self.begin() {
            Some(Fault::Hang) => pending().await,
            Some(Fault::PendOnce) => {
                pend_once().await;
                None
            }
            fault => fault,
        }
    }
}

async fn pend_once() {
    let mut pended = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut pended, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A type that no site knows.
#[derive(Debug)]
struct Stranger;

/// Panics again when it is dropped, and so does what that panics with.
struct Again;

impl Drop for Again {
    fn drop(&mut self) {
        panic_any(Again);
    }
}

fn injected() -> HookError {
    "injected error".into()
}

fn answer(fault: Fault, cx: &GuardContext<'_>) -> Answer {
    match (fault, cx.phase()) {
        (Fault::WrongReplacement, _) => Ok(HookResult::replace(Stranger)),
        (Fault::Impossible, Phase::Pre) => Ok(HookResult::retry(Duration::ZERO, 2)),
        (Fault::Impossible, _) => Ok(HookResult::cache("key", Duration::from_secs(1))),
        _ => Err(error(fault, cx)),
    }
}

fn vote(fault: Fault, cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    match fault {
        Fault::Impossible => Ok(Vote::Allow),
        _ => Err(error(fault, cx)),
    }
}

fn error(fault: Fault, cx: &GuardContext<'_>) -> HookError {
    let missing = match fault {
        Fault::MissingArgument => cx.arg::<Stranger>("no_such_argument"),
        Fault::MistypedArgument => cx.arg_at::<Stranger>(0),
        Fault::Error => return injected(),
        panics => panic_with(panics),
    };
    match missing {
        Err(error) => error.into(),
        Ok(stranger) => unreachable!("an argument of a private type: {stranger:?}"),
    }
}

fn panic_with(fault: Fault) -> ! {
    match fault {
        Fault::PanicWithString => panic!("injected panic, in {}", "a text that is made"),
        Fault::PanicWithValue => panic_any(Stranger),
        Fault::PanicThatPanics => panic_any(Again),
        _ => panic!("injected panic"),
    }
}
