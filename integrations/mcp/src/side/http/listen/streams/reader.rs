//! Whoever reads a stream.

use std::sync::Arc;

use tokio::sync::Notify;

use super::Streams;

/// Reads one stream.
#[derive(Debug)]
pub(in super::super) struct Reader {
    streams: Arc<Streams>,
    key: u64,
    /// Which reader of the stream it is: the last one counts.
    reader: u64,
    at: u64,
    changed: Arc<Notify>,
}

impl Reader {
    pub(super) fn new(
        streams: &Arc<Streams>,
        key: u64,
        (reader, at, changed): (u64, u64, Arc<Notify>),
    ) -> Self {
        Reader {
            streams: Arc::clone(streams),
            key,
            reader,
            at,
            changed,
        }
    }

    /// The id of the last event, to come back with.
    pub(in super::super) fn event_id(&self) -> String {
        format!("{}-{}", self.key, self.at)
    }

    /// The next message; `None` when there are no more, or somebody else reads them. Dropped while it waits, it has
    /// read nothing.
    pub(in super::super) async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.streams.state();
                let closed = state.closed;
                let log = state.logs.get_mut(&self.key)?;
                if !log.is_read_by(self.reader) {
                    return None;
                }
                if let Some((at, line)) = log.after(self.at) {
                    self.at = at;
                    log.read_up_to(at);
                    drop(state);
                    self.streams.room.notify_waiters();
                    return Some(line);
                }
                if closed || log.is_ended() {
                    return None;
                }
            }
            changed.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.streams.state();
        if let Some(log) = state.logs.get_mut(&self.key) {
            log.detach(self.reader);
        }
        drop(state);
        self.streams.room.notify_waiters();
    }
}
