//! What comes to a subscription: first what was before it, then its queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use tokio::task::coop;

use super::record::SubscriptionRecord;
use crate::bus::inner::Inner;
use crate::event::Event;
use crate::queue::{Entry, Reader};

/// After so many entries a reader gives way to other tasks, in units of tokio's budget for a task.
const ENTRIES_PER_BUDGET: u32 = 8;

/// The reader's end of a subscription. Dropping it ends the subscription.
pub(crate) struct Feed {
    inner: Arc<Inner>,
    record: Arc<SubscriptionRecord>,
    reader: Reader<Arc<Event>>,
    /// What was published before the subscription and is delivered first.
    historic: VecDeque<Arc<Event>>,
    since_budget: u32,
    is_ended: bool,
    is_out: bool,
}

impl Feed {
    pub(crate) fn new(
        inner: Arc<Inner>,
        record: Arc<SubscriptionRecord>,
        reader: Reader<Arc<Event>>,
    ) -> Self {
        Feed {
            inner,
            record,
            reader,
            historic: VecDeque::new(),
            since_budget: 0,
            is_ended: false,
            is_out: false,
        }
    }

    /// Delivers these before what comes.
    pub(crate) fn begin_with(&mut self, events: VecDeque<Arc<Event>>) {
        self.historic = events;
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(crate) fn record(&self) -> &Arc<SubscriptionRecord> {
        &self.record
    }

    /// The next event that has not expired, or gap. Hooks have not been asked.
    #[inline]
    pub(crate) fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<Entry<Arc<Event>>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        if self.since_budget >= ENTRIES_PER_BUDGET {
            ready!(coop::poll_proceed(cx)).made_progress();
            self.since_budget = 0;
        }
        loop {
            let entry = match self.historic.pop_front() {
                Some(event) => Some(Entry::Item(0, event)),
                None => ready!(self.reader.poll_next(cx)),
            };
            self.since_budget += 1;
            match self.look_at(entry) {
                Some(entry) => return Poll::Ready(entry),
                // Another one may be there, but not for ever.
                None if self.since_budget > ENTRIES_PER_BUDGET * 16 => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => {}
            }
        }
    }

    /// As `poll_entry`, without waiting; `None`: nothing is there now.
    pub(crate) fn try_entry(&mut self) -> Option<Option<Entry<Arc<Event>>>> {
        if self.is_ended {
            return Some(None);
        }
        loop {
            let entry = match self.historic.pop_front() {
                Some(event) => Some(Entry::Item(0, event)),
                None => self.reader.try_next()?,
            };
            if let Some(entry) = self.look_at(entry) {
                return Some(entry);
            }
        }
    }

    /// `None`: it has expired.
    #[inline]
    fn look_at(&mut self, entry: Option<Entry<Arc<Event>>>) -> Option<Option<Entry<Arc<Event>>>> {
        if let Some(waited) = self.reader.waited() {
            self.inner.latency.record(waited);
        }
        if self.inner.is_closed() {
            self.inner.tell_progress();
        }
        match &entry {
            // A handler may still be busy: its subscription ends with its task.
            None if self.record.is_handled => self.is_ended = true,
            None => self.end(),
            Some(Entry::Item(_, event))
                if event.expires_at().is_some() && event.is_expired_at(SystemTime::now()) =>
            {
                self.record.counters.expired.add(1);
                return None;
            }
            _ => {}
        }
        Some(entry)
    }

    /// Ends the subscription.
    pub(crate) fn end(&mut self) {
        self.is_ended = true;
        if std::mem::replace(&mut self.is_out, true) {
            return;
        }
        let mut unread = std::mem::take(&mut self.historic);
        unread.extend(self.reader.unread());
        self.inner.end_unread(self.record.id, unread);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
        self.record.finish();
        self.inner.tell_progress();
    }
}
