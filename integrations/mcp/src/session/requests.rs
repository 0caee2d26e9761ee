//! What comes from one side and is to be decided: begun in the order in which it came.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use hooks_runtime::spawn;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::unconstrained;

use super::exchange::Exchange;
use super::flights::{End, Flight, NotTaken};
use super::letters::check_params;
use super::turn::{Before, Passing, TurnPlace};
use super::within::{AS_A_TASK, bad, has_result_of_task};
use super::{CURRENT, Session};
use crate::json::JsonText;
use crate::message::{Answer, Call, Extra, Id, extra_bytes};
use crate::methods::{Party, TASK};
use crate::refused::CallError;

impl Session {
    /// Begins to decide about a request. If no hook makes it wait, it is passed on when this returns.
    pub(super) async fn take_request(
        self: &Arc<Self>,
        from: Party,
        id: Id,
        call: Call,
        related: Option<Id>,
    ) {
        let flight = match self.begin(from, &id, &call) {
            Ok(flight) => flight,
            Err(error) => {
                // The answer to the one that is under way must stay the only one under its id.
                let taken = matches!(error, CallError::IdTaken);
                let id = (!taken).then_some(id);
                let answer = error.into_answer("");
                return self.answer(from, id, answer, Extra::new(), related).await;
            }
        };
        let before = self.peer(from).lane.before();
        let (turn, method) = (TurnPlace::default(), call.method.clone());
        let exchange = Exchange {
            session: Arc::clone(self),
            from,
            id: id.clone(),
            original: call.params,
            extra: call.extra,
            related: related.clone(),
            turn: turn.clone(),
            tried: AtomicBool::new(false),
            answer_extra: Mutex::default(),
            came: Mutex::default(),
            held: Mutex::default(),
        };
        let work = decide(exchange, method, flight, before);
        let work = unconstrained(CURRENT.scope(Arc::clone(self), work));
        let mut passing = Passing::new(work, turn);
        let begun = passing.begin();
        let session = Arc::clone(self);
        let failed = async move {
            tracing::error!("the gateway panicked while it decided about a request");
            let answer = CallError::Failed.into_answer("");
            session
                .answer(from, Some(id), answer, Extra::new(), related)
                .await;
        };
        match begun {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => failed.await,
            Poll::Pending => {
                spawn(async move {
                    if passing.await.is_err() {
                        failed.await;
                    }
                });
            }
        }
    }

    fn begin(&self, from: Party, id: &Id, call: &Call) -> Result<Flight, CallError> {
        let peer = self.peer(from);
        let bytes = match (&call.params, self.points.are_idle(&call.method)) {
            (None, _) => 0,
            (Some(params), true) => params.as_str().len(),
            (Some(params), false) => params.weight(),
        } + extra_bytes(&call.extra);
        let limits = &self.options.limits;
        let Some(room) = peer.requests.try_take(bytes) else {
            return Err(CallError::Busy(format!(
                "requests that are under way hold {} bytes already, and that is the most",
                limits.max_queued_bytes
            )));
        };
        peer.flights.begin(id, room).map_err(|why| match why {
            NotTaken::Twice => CallError::IdTaken,
            NotTaken::Full => CallError::Busy(format!(
                "{} requests are under way already, and that is the most",
                limits.max_in_flight
            )),
        })
    }

    /// Begins to decide about a notification. None that came later overtakes it.
    pub(super) async fn take_notification(
        self: &Arc<Self>,
        from: Party,
        call: Call,
        related: Option<Id>,
    ) {
        let lane = &self.peer(from).lane;
        let bytes = call.params.as_ref().map_or(0, JsonText::weight) + extra_bytes(&call.extra);
        // Until there is room nothing more is read from this side.
        let Ok(room) = self.peer(from).notifications.take(bytes).await else {
            return;
        };
        let before = lane.before();
        let session = Arc::clone(self);
        let work = async move {
            before.passed().await;
            session.decide_notification(from, call, related).await;
            drop(room);
        };
        let work = unconstrained(CURRENT.scope(Arc::clone(self), work));
        let mut passing = Passing::new(work, TurnPlace::default());
        match passing.begin() {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => panicked(),
            Poll::Pending => {
                let (through, waiting) = watch::channel(());
                lane.wait_for(waiting);
                spawn(async move {
                    if passing.await.is_err() {
                        panicked();
                    }
                    drop(through);
                });
            }
        }
    }

    async fn decide_notification(&self, from: Party, call: Call, related: Option<Id>) {
        let Call {
            method,
            params,
            extra,
        } = call;
        if !self.passes(from, &method, from.notifications()) {
            return;
        }
        let params = match self.decide_task(from, &method, params).await {
            Ok(params) => params,
            Err(error) => {
                tracing::warn!(%from, method, %error, "a notification is not passed on");
                return;
            }
        };
        let decided = if self.points.notifications_are_idle() {
            self.pass_notification(from, &method, params, extra, related)
                .await
        } else {
            let value = params.as_ref().map_or(Value::Null, JsonText::value);
            if let Err(error) = check_params(&value) {
                tracing::warn!(%from, method, %error, "a notification is not passed on");
                return;
            }
            let server = self.options.server.clone();
            let who = from.as_str();
            self.notify(&method, who, &server, value, from, params, extra, related)
                .await
        };
        if let Err(error) = decided {
            tracing::warn!(%from, method, %error, "a notification is not passed on");
        }
    }

    /// What a notification about a task has in it is decided where it would be if it were asked for.
    async fn decide_task(
        &self,
        from: Party,
        method: &str,
        params: Option<JsonText>,
    ) -> Result<Option<JsonText>, CallError> {
        let Some(text) = params.as_ref().filter(|_| {
            from == Party::Server
                && method.starts_with("notifications/tasks")
                && !self.points.are_idle(TASK)
        }) else {
            return Ok(params);
        };
        let mut value = text.value();
        if has_result_of_task(method, &value) && self.points.ask_about_results() {
            return Err(bad(AS_A_TASK));
        }
        self.decide_inputs(&mut value).await?;
        Ok(Some(text.changed_to(&value)))
    }

    /// Whether the method is known, or others pass too.
    pub(super) fn passes(&self, from: Party, method: &str, known: &[&str]) -> bool {
        if known.contains(&method) {
            return true;
        }
        let refused = self.options.strict;
        tracing::warn!(%from, method, refused, "a method that is not known");
        !refused
    }
}

fn panicked() {
    tracing::error!("the gateway panicked while it decided about a notification, which is lost");
}

/// From the request to its one answer.
async fn decide(exchange: Exchange, method: String, mut flight: Flight, before: Before) {
    let (session, from) = (Arc::clone(&exchange.session), exchange.from);
    let work = async {
        before.passed().await;
        if session.passes(from, &method, from.requests()) {
            exchange.run(&method).await
        } else {
            Err(CallError::UnknownMethod)
        }
    };
    let done = tokio::select! {
        biased;
        end = flight.ended() => match end {
            // Whoever cancels a request wants no answer.
            End::Cancelled => return,
            End::Gone => Err(CallError::Gone(from.other())),
        },
        done = work => done,
    };
    let answer = match done {
        Ok(result) => Answer::Result(result),
        Err(error) => error.into_answer(&method),
    };
    let extra = exchange
        .answer_extra
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .split_off(0);
    flight.land();
    let (id, related) = (Some(exchange.id.clone()), None);
    session.answer(from, id, answer, extra, related).await;
}
