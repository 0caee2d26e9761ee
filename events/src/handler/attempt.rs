//! One event on its way to one handler: attempts, their ends, and the dead letter after the last.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::Poll;

use hooks_runtime::hooked;
use hooks_runtime::panic::caught;

use super::{DeliveryPolicy, EventHandler};
use crate::bus::inner::Inner;
use crate::dead_letter::DeadLetterCause;
use crate::error::EventError;
use crate::event::Event;
use crate::overflow::Gap;
use crate::subscription::record::SubscriptionRecord;
use crate::system::unheard;

/// A handler with all that is needed to give it an event.
pub(crate) struct Delivering {
    pub(crate) inner: Arc<Inner>,
    pub(crate) record: Arc<SubscriptionRecord>,
    pub(crate) handler: Arc<dyn EventHandler>,
    pub(crate) policy: DeliveryPolicy,
}

/// How an attempt ended.
enum Attempt {
    Well,
    /// By hooks: it was not the handler's.
    Refused,
    Badly(DeadLetterCause),
}

impl Delivering {
    /// Gives the event to the handler, again if it fails, and puts it aside in the end. `false`: hooks refused.
    pub(crate) async fn deliver(&self, event: Arc<Event>) -> bool {
        let counters = &self.record.counters;
        let mut attempt = 1;
        loop {
            let cause = match self.attempt(&event, attempt).await {
                Attempt::Well => {
                    counters.delivered.add(1);
                    return true;
                }
                Attempt::Refused => {
                    counters.refused.add(1);
                    return false;
                }
                Attempt::Badly(cause) => cause,
            };
            match &cause {
                DeadLetterCause::Failed(_) => counters.failed.add(1),
                DeadLetterCause::Panicked(_) => counters.panicked.add(1),
                DeadLetterCause::TimedOut(_) => counters.timed_out.add(1),
            }
            if attempt >= self.policy.max_attempts {
                counters.delivered.add(1);
                self.inner.put_aside(&self.record, event, cause, attempt);
                return true;
            }
            counters.retries.add(1);
            tokio::time::sleep(self.policy.backoff.wait(attempt, chance())).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, event: &Arc<Event>, attempt: u32) -> Attempt {
        let delivery = ended(Box::pin(async {
            if event.is_of_hooks() {
                return unheard(self.handle(event)).await;
            }
            let delivery = self.ask_and_handle(&self.record.name, event, event, attempt);
            if event.is_unheard() {
                return unheard(delivery).await;
            }
            delivery.await
        }));
        let ended = match self.policy.timeout {
            None => delivery.await,
            Some(limit) => match tokio::time::timeout(limit, delivery).await {
                Ok(ended) => ended,
                Err(_) => return Attempt::Badly(DeadLetterCause::TimedOut(limit)),
            },
        };
        Attempt::Badly(match ended {
            Ok(Ok(())) => return Attempt::Well,
            Ok(Err(EventError::Refused(_))) => return Attempt::Refused,
            Ok(Err(EventError::Handler { message, .. })) => DeadLetterCause::Failed(message),
            Ok(Err(other)) => DeadLetterCause::Failed(other.to_string().into()),
            Err(message) => DeadLetterCause::Panicked(message),
        })
    }

    /// One attempt. The error phase of the point is the failure of the handler.
    #[hooked(point = "event.deliver", component = name, args(event), fields(attempt = attempt))]
    #[allow(unused_variables, reason = "hooks read what the body does not")]
    async fn ask_and_handle(
        &self,
        name: &str,
        event: &Event,
        shared: &Arc<Event>,
        attempt: u32,
    ) -> Result<(), EventError> {
        self.handle(shared).await
    }

    async fn handle(&self, event: &Arc<Event>) -> Result<(), EventError> {
        let handled = self.handler.handle(Arc::clone(event)).await;
        handled.map_err(|error| EventError::Handler {
            subscription: self.record.name.clone(),
            how: "failed",
            message: error.to_string().into(),
        })
    }
}

impl Delivering {
    /// Tells the handler of a gap. A panic of it is counted and ends there.
    pub(crate) fn tell(&self, gap: Gap) {
        let told = caught(|| self.handler.on_gap(&self.record.name, gap));
        if told.is_err() {
            self.record.counters.panicked.add(1);
        }
    }
}

/// The output of a future, or what it panicked with.
async fn ended<F: Future>(mut future: Pin<Box<F>>) -> Result<F::Output, Box<str>> {
    // A future that panicked is not polled again.
    std::future::poll_fn(move |cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(message) => Poll::Ready(Err(message)),
    })
    .await
}

/// A number from 0 to 1. Not for secrets.
fn chance() -> f64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let bits = SEED.hash_one(std::time::Instant::now()) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_between_zero_and_one() {
        let all: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(all.iter().all(|c| (0.0..1.0).contains(c)), "{all:?}");
    }
}
