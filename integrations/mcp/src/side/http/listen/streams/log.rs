//! One stream: what was put on it, until nobody can want it any more.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::message::Id;

#[derive(Debug)]
struct Entry {
    line: Arc<str>,
    /// It is a request of the server.
    request: Option<Id>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the event before the first entry.
    before: u64,
    /// The last event that was read.
    read_to: u64,
    /// Requests that it answers.
    waiting: HashSet<Id>,
    /// It ends when they are answered.
    ends: bool,
    only_answers: bool,
    reader: Option<u64>,
    changed: Arc<Notify>,
}

impl Log {
    pub(super) fn new(waiting: HashSet<Id>, takes_more: bool) -> Self {
        Log {
            waiting,
            ends: true,
            only_answers: !takes_more,
            ..Log::default()
        }
    }

    pub(super) fn takes_more(&self) -> bool {
        !self.only_answers
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ends && self.waiting.is_empty()
    }

    pub(super) fn is_read(&self) -> bool {
        self.reader.is_some()
    }

    pub(super) fn is_read_by(&self, reader: u64) -> bool {
        self.reader == Some(reader)
    }

    pub(super) fn read_to(&self) -> u64 {
        self.read_to.max(self.before)
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.line.len()).sum()
    }

    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    pub(super) fn push(&mut self, line: String, request: Option<Id>) {
        let line = line.into();
        self.entries.push_back(Entry { line, request });
        self.wake();
    }

    /// That request is answered, or nobody waits for it.
    pub(super) fn settle(&mut self, id: &Id) {
        self.waiting.remove(id);
        self.wake();
    }

    pub(super) fn attach(&mut self, reader: u64) -> Arc<Notify> {
        self.reader = Some(reader);
        // Whoever has read until now learns that it is somebody else's turn.
        self.wake();
        Arc::clone(&self.changed)
    }

    pub(super) fn detach(&mut self, reader: u64) {
        if self.is_read_by(reader) {
            self.reader = None;
        }
    }

    pub(super) fn has_all_after(&self, event: u64) -> bool {
        (self.before..=self.before + self.entries.len() as u64).contains(&event)
    }

    /// The event after that one, and its number.
    pub(super) fn after(&self, event: u64) -> Option<(u64, Arc<str>)> {
        let event = event.max(self.before);
        let place = usize::try_from(event - self.before).ok()?;
        let entry = self.entries.get(place)?;
        Some((event + 1, Arc::clone(&entry.line)))
    }

    pub(super) fn read_up_to(&mut self, event: u64) {
        self.read_to = self.read_to.max(event);
    }

    /// Lets go of the oldest entry if it was read; how many bytes that were.
    pub(super) fn drop_read(&mut self) -> Option<usize> {
        let was_read = self.read_to > self.before;
        was_read
            .then(|| self.drop_oldest())
            .flatten()
            .map(|(bytes, _)| bytes)
    }

    /// Lets go of the oldest entry.
    pub(super) fn drop_oldest(&mut self) -> Option<(usize, Option<Id>)> {
        let entry = self.entries.pop_front()?;
        self.before += 1;
        let unread = self.before > self.read_to;
        Some((entry.line.len(), entry.request.filter(|_| unread)))
    }
}
