//! What one POST of a client holds.

use std::collections::HashSet;

use super::answer::error;
use super::post::TAKEN;
use crate::message::{Answer, INVALID_REQUEST, Id, Message, Rejected};
use crate::methods::{CANCELLED, INITIALIZE};
use crate::side::http::gather::{Gather, Turn};

/// What a client has sent.
pub(super) struct Posted {
    /// The messages, and in a batch among them what is none.
    pub(super) messages: Vec<Result<Message, Rejected>>,
    pub(super) is_batch: bool,
    /// If they are long. It is kept until the session has them: while that is held up, they wait here.
    pub(super) turn: Option<Turn>,
}

impl Posted {
    /// The messages of a body, which keep its turn.
    pub(super) fn new(body: Gather, messages: Vec<Result<Message, Rejected>>) -> Self {
        Posted {
            messages,
            is_batch: body.is_batch(),
            turn: body.into_turn(),
        }
    }

    /// The requests: their answers are waited for.
    pub(super) fn requests(&self) -> Vec<Id> {
        let id = |message: &Message| match message {
            Message::Request { id, .. } => Some(id.clone()),
            _ => None,
        };
        self.messages.iter().flatten().filter_map(id).collect()
    }

    /// The id of `initialize`, if that is it.
    pub(super) fn initialize(&self) -> Option<&Id> {
        match self.messages.as_slice() {
            [Ok(Message::Request { id, call })] if call.method == INITIALIZE && !self.is_batch => {
                Some(id)
            }
            _ => None,
        }
    }

    /// Sets those apart whose id is that of another request; the answer to that one stays the only one.
    pub(super) fn refuse_taken(&mut self, is_taken: impl Fn(&Id) -> bool) {
        let mut seen = HashSet::new();
        for message in &mut self.messages {
            let Ok(Message::Request { id, .. }) = &*message else {
                continue;
            };
            if is_taken(id) || !seen.insert(id.clone()) {
                *message = Err(Rejected {
                    code: INVALID_REQUEST,
                    reason: TAKEN.to_owned(),
                    id: None,
                    is_response: false,
                });
            }
        }
    }

    /// What is told at once: the errors about what is no message.
    pub(super) fn errors(&self) -> Vec<String> {
        let errors = self.messages.iter().filter_map(|m| m.as_ref().err());
        errors
            .map(|rejected| error(rejected, Answer::from(rejected.clone())).to_line())
            .collect()
    }

    /// What the session has to hear of. What is no message was answered; but where it is in the place of an answer,
    /// whoever waits for that one is told.
    pub(super) fn for_session(self) -> Vec<Result<Message, Rejected>> {
        let heard = |message: &Result<Message, Rejected>| match message {
            Ok(_) => true,
            Err(rejected) => rejected.is_response && rejected.id.is_some(),
        };
        self.messages.into_iter().filter(heard).collect()
    }

    /// The requests that the client does not wait for any more.
    pub(super) fn cancelled(&self) -> Vec<Id> {
        let id = |message: &Message| match message {
            Message::Notification(call) if call.method == CANCELLED => {
                let params = call.params.as_ref()?.value();
                params.get("requestId").and_then(Id::read)
            }
            _ => None,
        };
        self.messages.iter().flatten().filter_map(id).collect()
    }
}
