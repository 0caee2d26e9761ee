//! The bytes of one frame, as they come.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::json::Skim;
use crate::limits::Limits;
use crate::message::{Message, Rejected, parse_all, too_long};

/// Frames up to this long are gathered freely, in bytes.
const SMALL: usize = 64 << 10;

/// How long the other end may be silent in the middle of a frame.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// Turns for frames that are long: many streams come in at the same time, and only so many may hold much. Whoever
/// dawdles holds up those with whom it shares them, so strangers share none.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    /// So many frames that are long at a time, at least one.
    pub(super) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Turns(Arc::new(Semaphore::new(most)))
    }
}

/// One frame. What is longer than a message may be is not kept, and only skimmed.
#[derive(Debug)]
pub(super) struct Gather {
    bytes: Vec<u8>,
    long: Option<(Skim, usize)>,
    limits: Limits,
    turns: Turns,
    turn: Option<OwnedSemaphorePermit>,
}

/// Why a body is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// It ended too early.
    #[error("the connection ended in the middle of a message")]
    Cut,
    /// Nothing came any more.
    #[error("nothing came for {} seconds in the middle of a message", SILENCE.as_secs())]
    Silent,
    /// It came too slowly.
    #[error("the message did not come whole within {0:?}")]
    Slow(Duration),
    /// It goes on and on.
    #[error("the message does not end")]
    Endless,
}

impl Gather {
    pub(super) fn new(limits: &Limits, turns: &Turns) -> Self {
        Gather {
            bytes: Vec::new(),
            long: None,
            limits: limits.clone(),
            turns: turns.clone(),
            turn: None,
        }
    }

    pub(super) fn push(&mut self, part: &[u8]) {
        let max = self.limits.max_message_bytes;
        match &mut self.long {
            Some((skim, length)) => {
                skim.feed(part);
                *length += part.len();
            }
            None if self.bytes.len() + part.len() > max => {
                let mut skim = Skim::default();
                skim.feed(&self.bytes);
                skim.feed(part);
                self.long = Some((skim, self.bytes.len() + part.len()));
                self.bytes = Vec::new();
            }
            None => self.bytes.extend_from_slice(part),
        }
    }

    /// Whether nothing came.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.long.is_none()
    }

    /// Whether it is longer than a message may be.
    pub(super) fn is_too_long(&self) -> bool {
        self.long.is_some()
    }

    /// Whether it is so long that it is not even read to its end.
    pub(super) fn is_endless(&self) -> bool {
        let end = self.limits.max_message_bytes.saturating_mul(4);
        self.long.as_ref().is_some_and(|(_, length)| *length > end)
    }

    /// Whether it holds a turn: then the other end must go on.
    pub(super) fn is_large(&self) -> bool {
        self.turn.is_some()
    }

    /// Waits until it may hold what it holds, and more.
    pub(super) async fn admit(&mut self) {
        if self.turn.is_some() || self.bytes.len() <= SMALL {
            return;
        }
        let turn = Arc::clone(&self.turns.0).acquire_owned().await;
        self.turn = Some(turn.expect("it is never closed"));
    }

    /// The messages that came.
    pub(super) fn messages(&self) -> Vec<Result<Message, Rejected>> {
        match &self.long {
            Some((skim, length)) => vec![Err(too_long(skim, *length, &self.limits))],
            None => parse_all(self.bytes.trim_ascii(), &self.limits),
        }
    }

    /// Whether a batch came.
    pub(super) fn is_batch(&self) -> bool {
        self.bytes.trim_ascii_start().starts_with(b"[")
    }

    /// Lets go of the frame.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(SMALL);
        self.long = None;
        self.turn = None;
    }

    /// Gathers a whole body. One that is too long is read on, up to four times the limit, to learn whose it is.
    /// `within`: how long the other end may take for it; how long we wait for our turn is not its fault.
    ///
    /// # Errors
    /// The body breaks off, or does not end, or not in time.
    pub(super) async fn body<B>(
        &mut self,
        mut body: B,
        within: Option<Duration>,
    ) -> Result<(), Broken>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut taken = Duration::ZERO;
        loop {
            let (patience, broken) = match within {
                Some(within) if within.saturating_sub(taken) < SILENCE => {
                    (within.saturating_sub(taken), Broken::Slow(within))
                }
                _ => (SILENCE, Broken::Silent),
            };
            let since = Instant::now();
            let frame = timeout(patience, body.frame()).await;
            let frame = frame.map_err(|_| broken)?;
            taken += since.elapsed();
            match frame {
                None => return Ok(()),
                Some(Err(_)) => return Err(Broken::Cut),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.push(data);
                        self.admit().await;
                    }
                }
            }
            if self.is_endless() {
                return Err(Broken::Endless);
            }
        }
    }
}
