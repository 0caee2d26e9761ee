//! Deliveries without a queue, and the question to hooks before a delivery.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use hooks_runtime::hooked;
use hooks_runtime::panic::caught;

use super::inner::Inner;
use crate::dead_letter::DeadLetterCause;
use crate::error::EventError;
use crate::event::{Event, Origin};
use crate::handler::HandlerError;
use crate::subscription::record::SubscriptionRecord;
use crate::system::UnheardGuard;

/// Which events a subscription wants.
pub(crate) type Filter = Box<dyn Fn(&Event) -> bool + Send + Sync>;

type InlineFn = Box<dyn Fn(&Event) -> Result<(), HandlerError> + Send + Sync>;

/// A handler that is called where the event is published.
pub(crate) struct Inline {
    pub(crate) record: Arc<SubscriptionRecord>,
    pub(crate) handler: InlineFn,
    pub(crate) filter: Option<Filter>,
    pub(crate) once: Option<Once>,
}

/// The state of a handler that is called once.
#[derive(Default)]
pub(crate) struct Once(AtomicU8);

const READY: u8 = 0;
const CALLED: u8 = 1;

impl Once {
    fn claim(&self) -> bool {
        self.0.swap(CALLED, Ordering::AcqRel) == READY
    }

    fn give_back(&self) {
        self.0.store(READY, Ordering::Release);
    }
}

/// Asks hooks whether that event may be delivered there.
#[inline]
#[hooked(point = "event.deliver", component = name, args(event))]
#[allow(unused_variables, reason = "hooks read them")]
pub(crate) fn ask(name: &str, event: &Event) -> Result<(), EventError> {
    Ok(())
}

impl Inline {
    #[inline]
    #[hooked(point = "event.deliver", component = &self.record.name, args(event))]
    fn ask_and_call(&self, event: &Event) -> Result<(), EventError> {
        self.call(event)
    }

    #[inline]
    fn call(&self, event: &Event) -> Result<(), EventError> {
        (self.handler)(event).map_err(|error| self.failed(&error))
    }

    #[cold]
    fn failed(&self, error: &HandlerError) -> EventError {
        EventError::Handler {
            subscription: self.record.name.clone(),
            how: "failed",
            message: error.to_string().into(),
        }
    }

    /// Calls the handler. Nothing that it does reaches the publisher, but for the time that it takes. `true`: it
    /// was called, and nothing else is to be said of that but a number.
    #[inline]
    pub(crate) fn deliver(&self, inner: &Inner, event: &Event, asks: bool) -> bool {
        if self.filter.is_some() || self.once.is_some() || event.expires_at().is_some() {
            return self.deliver_some(inner, event, asks);
        }
        self.deliver_any(inner, event, asks) == Called::Well
    }

    /// As `deliver`, for a handler without options, where no hooks are to be asked.
    #[inline(always)]
    pub(crate) fn call_simple(&self, inner: &Inner, event: &Event) -> bool {
        match caught(|| (self.handler)(event)) {
            Ok(Ok(())) => true,
            Ok(Err(error)) => self.went_wrong(inner, event, self.failed(&error)) == Called::Well,
            Err(message) => self.panicked(inner, event, message) == Called::Well,
        }
    }

    #[inline]
    fn deliver_any(&self, inner: &Inner, event: &Event, asks: bool) -> Called {
        let _unheard = (!asks || event.origin() == Origin::Hooks).then(UnheardGuard::enter);
        let called = caught(|| {
            if asks {
                self.ask_and_call(event)
            } else {
                self.call(event)
            }
        });
        match called {
            Ok(Ok(())) => Called::Well,
            Ok(Err(error)) => self.went_wrong(inner, event, error),
            Err(message) => self.panicked(inner, event, message),
        }
    }

    #[cold]
    fn panicked(&self, inner: &Inner, event: &Event, message: Box<str>) -> Called {
        self.record.counters.panicked.add(1);
        let cause = DeadLetterCause::Panicked(message);
        self.put_aside(inner, event, cause)
    }

    #[cold]
    fn went_wrong(&self, inner: &Inner, event: &Event, error: EventError) -> Called {
        if let EventError::Refused(_) = error {
            self.record.counters.refused.add(1);
            return Called::Not;
        }
        self.record.counters.failed.add(1);
        let message = match error {
            EventError::Handler { message, .. } => message,
            other => other.to_string().into(),
        };
        self.put_aside(inner, event, DeadLetterCause::Failed(message))
    }

    #[cold]
    fn put_aside(&self, inner: &Inner, event: &Event, cause: DeadLetterCause) -> Called {
        self.record.counters.delivered.add(1);
        inner.put_aside(&self.record, Arc::new(event.clone()), cause, 1);
        Called::Badly
    }

    /// With what most handlers do not have.
    fn deliver_some(&self, inner: &Inner, event: &Event, asks: bool) -> bool {
        let counters = &self.record.counters;
        if !inner.wants(self.filter.as_ref(), &self.record, event) {
            return false;
        }
        if event.expires_at().is_some() && event.is_expired_at(std::time::SystemTime::now()) {
            counters.expired.add(1);
            return false;
        }
        let Some(once) = &self.once else {
            return self.deliver_any(inner, event, asks) == Called::Well;
        };
        if !once.claim() {
            return false;
        }
        match self.deliver_any(inner, event, asks) {
            Called::Not => once.give_back(),
            called => {
                counters.delivered.add(u64::from(called == Called::Well));
                inner.end(self.record.id);
            }
        }
        // It is counted already, and the subscription may be gone.
        false
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Called {
    Well,
    Badly,
    Not,
}

thread_local! {
    /// How many inline handlers of this thread wait for one another.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Calls of inline handlers: while it lives, publishing from a handler is one deeper.
pub(crate) struct DepthGuard {
    /// What it was before; kept here so that leaving does not wait for what entering wrote.
    before: usize,
}

impl DepthGuard {
    /// `Err`: so deep already.
    #[inline]
    pub(crate) fn enter(limit: usize) -> Result<DepthGuard, usize> {
        DEPTH.with(|depth| {
            let now = depth.get();
            if now >= limit {
                return Err(now);
            }
            depth.set(now + 1);
            Ok(DepthGuard { before: now })
        })
    }
}

impl Drop for DepthGuard {
    #[inline]
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(self.before));
    }
}
