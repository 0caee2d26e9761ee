//! Events that could not be handled.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use hooks_runtime::hooked;
use serde::Serialize;

use crate::bus::inner::{Inner, lock};
use crate::error::EventError;
use crate::event::Event;
use crate::metrics::Counter;
use crate::subscription::record::SubscriptionRecord;
use crate::topic::Topic;

/// The topic under which dead letters are told of. The payload is a [`DeadLetter`].
pub const DEAD_LETTER_TOPIC: &str = "event.dead_letter";

/// An event that a handler could not handle, after the last attempt.
///
/// As JSON it says which event it was, and nothing of what was in it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The event.
    #[serde(serialize_with = "name_of_event")]
    pub event: Arc<Event>,
    /// The name of the subscription.
    pub subscription: Box<str>,
    /// What happened at the last attempt.
    pub cause: DeadLetterCause,
    /// How many attempts there were.
    pub attempts: u32,
    /// When it was given up.
    pub time: SystemTime,
}

/// Why an event could not be handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadLetterCause {
    /// The handler failed, and said this.
    Failed(Box<str>),
    /// The handler panicked, and said this.
    Panicked(Box<str>),
    /// The handler took longer than this.
    TimedOut(Duration),
}

impl DeadLetterCause {
    /// In a word, for logs: what a handler says may quote the event.
    pub fn kind(&self) -> &'static str {
        match self {
            DeadLetterCause::Failed(_) => "failed",
            DeadLetterCause::Panicked(_) => "panicked",
            DeadLetterCause::TimedOut(_) => "timed_out",
        }
    }
}

impl fmt::Display for DeadLetterCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeadLetterCause::Failed(why) => write!(f, "the handler failed: {why}"),
            DeadLetterCause::Panicked(why) => write!(f, "the handler panicked: {why}"),
            DeadLetterCause::TimedOut(limit) => write!(f, "the handler took longer than {limit:?}"),
        }
    }
}

fn name_of_event<S: serde::Serializer>(event: &Event, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Name<'e> {
        id: &'e str,
        source: &'e str,
        topic: &'e str,
    }
    let name = Name {
        id: &event.id(),
        source: event.source(),
        topic: event.topic().as_str(),
    };
    name.serialize(serializer)
}

/// The last dead letters of a bus.
pub(crate) struct DeadLetters {
    kept: Mutex<VecDeque<DeadLetter>>,
    limit: usize,
    count: Counter,
    dropped: Counter,
}

impl DeadLetters {
    pub(crate) fn new(limit: usize) -> Self {
        DeadLetters {
            kept: Mutex::default(),
            limit,
            count: Counter::default(),
            dropped: Counter::default(),
        }
    }

    fn add(&self, letter: DeadLetter) {
        self.count.add(1);
        let mut kept = lock(&self.kept);
        kept.push_back(letter);
        // One at most, and dropped without the lock: what it holds is the user's.
        let oldest = if kept.len() > self.limit {
            kept.pop_front()
        } else {
            None
        };
        drop(kept);
        self.dropped.add(u64::from(oldest.is_some()));
    }

    pub(crate) fn list(&self) -> Vec<DeadLetter> {
        lock(&self.kept).iter().cloned().collect()
    }

    pub(crate) fn take(&self) -> Vec<DeadLetter> {
        std::mem::take(&mut *lock(&self.kept)).into()
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.get()
    }
}

impl Inner {
    /// Puts an event aside that could not be handled, and tells of it under [`DEAD_LETTER_TOPIC`]; what cannot be
    /// handled of that is put aside in silence, so that it ends.
    #[cold]
    pub(crate) fn put_aside(
        &self,
        record: &SubscriptionRecord,
        event: Arc<Event>,
        cause: DeadLetterCause,
        attempts: u32,
    ) {
        let letter = DeadLetter {
            event,
            subscription: record.name.clone(),
            cause,
            attempts,
            time: SystemTime::now(),
        };
        record.counters.dead_letters.add(1);
        let topic = letter.event.topic().clone();
        tracing::warn!(
            subscription = &*letter.subscription,
            topic = topic.as_str(),
            attempts,
            cause = letter.cause.kind(),
            "an event could not be handled"
        );
        let asked = if letter.event.is_of_hooks() {
            self.bury(&letter)
        } else {
            self.ask_and_bury(&letter.subscription, &letter.event, &letter.cause, &letter)
        };
        if let Err(refused) = asked {
            tracing::warn!(topic = topic.as_str(), %refused, "the dead letter is not kept");
        }
    }

    /// Hooks see the event, the cause, and the subscription as the component; refusing, they have it forgotten.
    #[hooked(point = "event.dead_letter", component = subscription, args(event, cause))]
    #[allow(unused_variables, reason = "hooks read them")]
    fn ask_and_bury(
        &self,
        subscription: &str,
        event: &Event,
        cause: &DeadLetterCause,
        letter: &DeadLetter,
    ) -> Result<(), EventError> {
        self.bury(letter)
    }

    fn bury(&self, letter: &DeadLetter) -> Result<(), EventError> {
        static TOPIC: LazyLock<Topic> = LazyLock::new(|| {
            Topic::new(DEAD_LETTER_TOPIC).expect("it is written in the form of one")
        });
        self.dead_letters.add(letter.clone());
        if letter.event.topic() == &*TOPIC || letter.event.is_of_hooks() || self.is_closed() {
            return Ok(());
        }
        let notice = Event::new(&*TOPIC, letter.clone()).caused_by(&letter.event);
        match self.send_or_miss(notice) {
            Ok(_) => Ok(()),
            // The letter is kept, and its handlers are as deep in one another as they may be.
            Err(error) => {
                tracing::warn!(%error, "nobody is told of a dead letter");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(n: u32) -> DeadLetter {
        DeadLetter {
            event: Arc::new(Event::try_new("a.b", "a secret").unwrap()),
            subscription: "mail".into(),
            cause: DeadLetterCause::TimedOut(Duration::from_secs(3)),
            attempts: n,
            time: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_oldest_go_and_are_counted() {
        let letters = DeadLetters::new(2);
        (1..=5).for_each(|n| letters.add(letter(n)));
        let attempts: Vec<u32> = letters.list().iter().map(|l| l.attempts).collect();
        assert_eq!(attempts, [4, 5]);
        assert_eq!((letters.count(), letters.dropped()), (5, 3));
        assert_eq!(letters.take().len(), 2);
        assert!(letters.list().is_empty());
    }

    #[test]
    fn none_is_kept_where_none_is_wanted() {
        let letters = DeadLetters::new(0);
        letters.add(letter(1));
        assert!(letters.list().is_empty());
        assert_eq!((letters.count(), letters.dropped()), (1, 1));
    }

    #[test]
    fn its_json_names_the_event_and_not_what_is_in_it() {
        let json = serde_json::to_value(letter(2)).unwrap();
        assert_eq!(json["event"]["topic"], "a.b");
        assert_eq!(json["cause"]["kind"], "timed_out");
        assert!(!json.to_string().contains("secret"), "{json}");
    }
}
