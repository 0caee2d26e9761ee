//! One call of a stream, from the first poll to the end of the stream.
//!
//! The steps before the body are those of any call. The steps after it come once for each item, with votes of
//! their own, and a refusal is the last item. Giving an item is a wait: the executor's future is pending until
//! the caller asks for the next one.

use std::future::poll_fn;
use std::mem::replace;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use super::call::{Act, Call, Can, Scope};
use super::run::{Frame, VALUE};
use super::settle::Settled;
use super::wait::Wait;
use crate::ambient;
use crate::answer::Restriction;
use crate::private::{Facts, Parts};
use crate::site::HookSite;

/// Says, when the executor's future is pending, whether that is because an item is there to be given.
#[derive(Default)]
pub(crate) struct Outlet(AtomicBool);

impl Outlet {
    /// Whether an item is there; asked once for each.
    pub(crate) fn take(&self) -> bool {
        // Whoever polls has the future for itself, so there is nobody to order this with.
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// A call of a stream that is not idle. The value of the frame is the item; the one that is there when the
/// future is ready is the last one.
pub(crate) async fn stream(
    site: &'static HookSite,
    facts: Facts,
    can: Can,
    mut frame: Frame<'_>,
    outlet: &Outlet,
) {
    let scope = Scope::of(site);
    let set = match &scope.own {
        Some(set) => set.clone(),
        None => site.load_shared(),
    };
    // A run may be halted while the stream goes on, so a stream in one is a call even if nobody is asked.
    if set.is_idle() && scope.link.is_none() {
        return forward(&mut frame, outlet).await;
    }
    let call = Call::begin(site.info(), &set, &scope, facts, can, set.sample());
    let mut running = Running {
        halt_told: call.is_halted(),
        call,
        frame: &mut frame,
        failed: false,
    };
    match running.decide().await {
        Begin::Refused => {}
        Begin::Planned => {
            if running.settle().await {
                running.count();
                running.finish();
            } else {
                running.refuse();
            }
        }
        Begin::Run => running.give_items(outlet).await,
    }
}

/// Nobody is asked or told.
async fn forward(frame: &mut Frame<'_>, outlet: &Outlet) {
    loop {
        poll_fn(|cx| frame.poll(cx)).await;
        if frame.value.parts().is_none() {
            return;
        }
        Given::new(outlet).await;
    }
}

/// What the steps before the stream came to.
enum Begin {
    /// The refusal is the one item.
    Refused,
    /// What a hook brought is the one item.
    Planned,
    Run,
}

/// What became of the wait for an item.
enum Next {
    Item,
    End,
    /// The run that the call belongs to was halted.
    Halted,
}

/// A stream under way. Dropping it drops the user's stream first, as a part of the call, and then the call.
struct Running<'a, 's, 'f> {
    call: Call<'s>,
    frame: &'a mut Frame<'f>,
    /// Nothing more is to be said of a halt: it was said, and had no force here.
    halt_told: bool,
    /// Whether the last item was an `Err`.
    failed: bool,
}

impl Running<'_, '_, '_> {
    /// The steps before the stream. It has no arguments: the call that made it has consumed them.
    async fn decide(&mut self) -> Begin {
        self.call.propose(&mut [], 0, Wait::Async).await;
        let planned = self.call.plan_value(self.frame);
        let mut parts = if planned {
            self.frame.value.parts()
        } else {
            None
        };
        self.call
            .decide(&mut [], parts.as_mut(), 0, Wait::Async)
            .await;
        match self.call.act(&[]) {
            Act::Refuse(refusal) => {
                self.stop();
                self.frame.value.refuse(refusal);
                Begin::Refused
            }
            Act::Planned if planned => {
                // The user's stream gives nothing in this call.
                self.stop();
                Begin::Planned
            }
            // A site of a stream can carry no other plan (`Call::possible`).
            Act::Run | Act::Planned | Act::Cached | Act::Redirect(_) => Begin::Run,
        }
    }

    async fn give_items(&mut self, outlet: &Outlet) {
        loop {
            match NextItem::of(self).await {
                Next::End => return self.finish(),
                Next::Item if self.settle().await => {}
                Next::Item | Next::Halted => return self.refuse(),
            }
            self.count();
            let _waiting = Waiting::of(&mut self.call);
            Given::new(outlet).await;
        }
    }

    /// The steps after the body, for one item; whether it may be given.
    async fn settle(&mut self) -> bool {
        let mut parts = self.frame.value.parts().expect(VALUE);
        let call = &mut self.call;
        match call.settle(&mut [], &mut parts, 0, false).await {
            Settled::Keep | Settled::Retry(_) => {}
            Settled::Replace(replacement) => {
                call.replace(self.frame, parts.phase(), replacement);
                parts = self.frame.value.parts().expect(VALUE);
            }
        }
        call.release(&mut [], &mut parts, 0).await;
        self.failed = matches!(parts, Parts::Err(_));
        call.restriction == Restriction::None
    }

    /// The item is given.
    fn count(&mut self) {
        if self.failed && self.call.inner_refusal {
            ambient::note_inner_refusal();
        }
        self.call.close_item();
        self.call.meta.items += 1;
    }

    /// The refusal is the last item.
    fn refuse(&mut self) {
        let refusal = self.call.refuse();
        self.stop();
        self.frame.value.refuse(refusal);
    }

    /// The stream has ended.
    fn finish(&mut self) {
        self.stop();
        self.call.deliver_as(self.failed);
    }

    /// Drops the user's stream, once, as a part of the call.
    fn stop(&mut self) {
        let inside = ambient::enter_call(self.call.meta.id, self.call.meta.root);
        let before = replace(&mut self.call.in_user_code, true);
        self.frame.body.stop();
        self.call.in_user_code = before;
        drop(inside);
    }

    /// Whether the call's run was halted; where that has no force it is told once.
    fn halted(&mut self) -> bool {
        if self.halt_told || !self.call.is_halted() {
            return false;
        }
        self.halt_told = true;
        self.call.next_stage();
        self.call.refuse_if_halted() && self.call.restriction > Restriction::None
    }
}

impl Drop for Running<'_, '_, '_> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The wait for the user's stream: the current call is set on each poll, and the time from the first poll to the
/// item counts as work.
struct NextItem<'r, 'a, 's, 'f> {
    running: &'r mut Running<'a, 's, 'f>,
    started: Option<Instant>,
}

impl<'r, 'a, 's, 'f> NextItem<'r, 'a, 's, 'f> {
    fn of(running: &'r mut Running<'a, 's, 'f>) -> Self {
        let call = &mut running.call;
        call.inner_refusal = false;
        let started = call.work_begins();
        NextItem { running, started }
    }
}

impl Future for NextItem<'_, '_, '_, '_> {
    type Output = Next;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let running = &mut *self.running;
        if running.halted() {
            return Poll::Ready(Next::Halted);
        }
        let (id, root) = (running.call.meta.id, running.call.meta.root);
        running.call.executed = true;
        let inside = ambient::enter_call(id, root);
        running.call.in_user_code = true;
        let polled = running.frame.body.poll(cx);
        running.call.in_user_code = false;
        running.call.inner_refusal |= ambient::inner_refusal();
        drop(inside);
        if polled.is_pending() {
            return Poll::Pending;
        }
        running.call.inner_refusal |= ambient::take_spawned_refusal(id);
        Poll::Ready(match running.frame.value.parts() {
            Some(_) => Next::Item,
            None => Next::End,
        })
    }
}

impl Drop for NextItem<'_, '_, '_, '_> {
    fn drop(&mut self) {
        self.running.call.work_ends(self.started);
    }
}

/// The time until the caller asks for the next item, or drops the stream: nobody's work.
struct Waiting<'r, 's> {
    call: &'r mut Call<'s>,
    since: Option<Instant>,
}

impl<'r, 's> Waiting<'r, 's> {
    fn of(call: &'r mut Call<'s>) -> Self {
        let wanted = call.meta.started.is_some() || call.sample.is_some();
        let since = wanted.then(|| call.now());
        Waiting { call, since }
    }
}

impl Drop for Waiting<'_, '_> {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            let waited = self.call.now().saturating_duration_since(since);
            self.call.ledger().waited += waited;
        }
    }
}

/// Pending once, while an item is given to the caller, whose next poll goes on.
struct Given<'o> {
    outlet: &'o Outlet,
    given: bool,
}

impl<'o> Given<'o> {
    fn new(outlet: &'o Outlet) -> Self {
        Given {
            outlet,
            given: false,
        }
    }
}

impl Future for Given<'_> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if self.given {
            return Poll::Ready(());
        }
        self.given = true;
        self.outlet.0.store(true, Ordering::Relaxed);
        Poll::Pending
    }
}
