//! The sites, and calls that always end.

use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake};

use futures_util::{Stream, StreamExt, stream};
use hookpoint::test::Fault;
use hookpoint::{Clock, hooked};

use super::{LIMIT, Site};
use crate::sites::{Error, Out};

/// What happened, in order.
pub(super) type Seen = Mutex<Vec<&'static str>>;

/// What a caller got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// What the body gave, as it gave it.
    Value,
    /// What the body failed with.
    Error,
    Refused {
        executed: bool,
    },
}

/// One call: what goes in comes out, or the body fails.
#[derive(Clone, Debug)]
pub(super) struct Order {
    fails: bool,
    seen: Arc<Seen>,
}

impl Order {
    pub(super) fn new(fails: bool, seen: Arc<Seen>) -> Self {
        Order { fails, seen }
    }

    /// Calls that site. If a hook `hangs`, time passes meanwhile.
    pub(super) fn place(self, site: Site, clock: &Clock, hangs: bool) -> Got {
        let text = "tea".to_owned();
        let result = match site {
            Site::Sync => sync(text, &self),
            Site::Async => drive(later(text, &self), clock),
            Site::Parking if hangs => while_time_passes(clock, || parking(text, &self)),
            Site::Parking => parking(text, &self),
            Site::Watched => watched(text, &self),
            Site::Stream => {
                let items: Vec<_> = drive(items(text, self).collect(), clock);
                let [item] = <[_; 1]>::try_from(items).expect("one item, or a refusal");
                item
            }
        };
        match result {
            Ok(out) if out.text == "tea" => Got::Value,
            Ok(out) => panic!("the result was changed: {out:?}"),
            Err(Error::Body) => Got::Error,
            Err(Error::Refused(refusal)) => Got::Refused {
                executed: refusal.executed(),
            },
        }
    }

    fn body(&self, text: String) -> Result<Out, Error> {
        self.seen.lock().unwrap().push("body");
        if self.fails {
            return Err(Error::Body);
        }
        Ok(Out { text })
    }
}

#[hooked(point = "faults.sync")]
fn sync(text: String, order: &Order) -> Result<Out, Error> {
    order.body(text)
}

#[hooked(point = "faults.async")]
async fn later(text: String, order: &Order) -> Result<Out, Error> {
    order.body(text)
}

#[hooked(point = "faults.parking", blocking)]
fn parking(text: String, order: &Order) -> Result<Out, Error> {
    order.body(text)
}

#[hooked(point = "faults.watched", observe)]
fn watched(text: String, order: &Order) -> Result<Out, Error> {
    order.body(text)
}

#[hooked(point = "faults.stream", stream)]
fn items(text: String, order: Order) -> impl Stream<Item = Result<Out, Error>> {
    stream::iter([text]).map(move |text| order.body(text))
}

/// Sets it when it goes out of sight, also by a panic.
struct Sets<'f>(&'f AtomicBool);

impl Drop for Sets<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What the future gives. Whenever nothing but time could wake it, time passes.
pub(super) fn drive<F: Future>(future: F, clock: &Clock) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = woken.clone().into();
    let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
    for _ in 0..100 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        if !woken.0.swap(false, Ordering::SeqCst) {
            clock.advance(LIMIT);
        }
    }
    panic!("it does not end");
}

/// Makes a call that parks its thread, while time passes on another one.
fn while_time_passes<T>(clock: &Clock, call: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                clock.advance(LIMIT);
                std::thread::yield_now();
            }
        });
        let _over = Sets(&over);
        call()
    })
}

/// Panics again when it is dropped.
struct Again;

impl Drop for Again {
    fn drop(&mut self) {
        panic_any(Again);
    }
}

/// Panics as that fault of a hook does, for what is no hook.
pub(super) fn panic_with(fault: Fault) -> ! {
    match fault {
        Fault::PanicWithString => panic!("injected panic, in {}", "a text that is made"),
        Fault::PanicWithValue => panic_any(7_u8),
        Fault::PanicThatPanics => panic_any(Again),
        _ => panic!("injected panic"),
    }
}
