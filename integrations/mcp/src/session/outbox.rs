//! What goes to one side: bounded in messages and in bytes, and written by one task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::limits::Limits;
use crate::side::{Deliver, Frame};

/// How long a side that is being closed may take to read what is there for it.
const FLUSH: Duration = Duration::from_secs(5);

/// The side is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// Room for so many bytes, in KiB.
#[derive(Clone, Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    all: u32,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        let all = all.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let free = Arc::new(Semaphore::new(all as usize));
        Room { free, all }
    }

    /// What is larger than the room takes all of it.
    fn share(&self, bytes: usize) -> u32 {
        u32::try_from((bytes >> 10) + 1)
            .unwrap_or(u32::MAX)
            .min(self.all)
    }

    /// Waits for room.
    pub(super) async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Gone> {
        let room = Arc::clone(&self.free).acquire_many_owned(self.share(bytes));
        room.await.map_err(|_| Gone)
    }

    /// Room, if there is some now.
    pub(super) fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free)
            .try_acquire_many_owned(self.share(bytes))
            .ok()
    }

    fn close(&self) {
        self.free.close();
    }
}

struct Queued {
    frame: Frame,
    _room: OwnedSemaphorePermit,
}

/// Where frames for a side are put.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Queued>,
    room: Room,
    stop: watch::Sender<bool>,
}

/// The other end of an [`Outbox`].
pub(super) struct Writer {
    queue: mpsc::Receiver<Queued>,
    room: Room,
    stop: watch::Receiver<bool>,
}

impl Outbox {
    pub(super) fn new(limits: &Limits) -> (Outbox, Writer) {
        let (queue, queued) = mpsc::channel(limits.max_queued);
        let room = Room::new(limits.max_queued_bytes);
        let (stop, stopped) = watch::channel(false);
        let writer = Writer {
            queue: queued,
            room: room.clone(),
            stop: stopped,
        };
        (Outbox { queue, room, stop }, writer)
    }

    /// Puts a frame behind those that are there; waits while there is no room. What is asked first is first.
    pub(super) async fn put(&self, frame: Frame) -> Result<(), Gone> {
        let _room = self.room.take(frame.message.size()).await?;
        let queued = Queued { frame, _room };
        self.queue.send(queued).await.map_err(|_| Gone)
    }

    /// Lets the writer write what is there, and close the side.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Writer {
    /// Writes until the side is gone or it is told to stop; then closes the side.
    pub(super) async fn run(mut self, mut deliver: Box<dyn Deliver>) {
        let mut stop = self.stop.clone();
        let mut stopped = std::pin::pin!(async move {
            // The sender lives as long as the session; if it is gone, that is the end too.
            if stop.wait_for(|stop| *stop).await.is_err() {
                tracing::debug!("the session was dropped");
            }
            Instant::now() + FLUSH
        });
        let mut until = None;
        loop {
            let queued = match until {
                Some(_) => self.queue.recv().await,
                None => tokio::select! {
                    queued = self.queue.recv() => queued,
                    end = &mut stopped => {
                        until = Some(end);
                        self.queue.close();
                        continue;
                    }
                },
            };
            let Some(Queued { frame, _room }) = queued else {
                break;
            };
            let mut writing = std::pin::pin!(deliver.deliver(frame));
            let written = match until {
                Some(end) => in_time(end, writing).await,
                None => tokio::select! {
                    biased;
                    written = &mut writing => Some(written),
                    end = &mut stopped => {
                        until = Some(end);
                        self.queue.close();
                        in_time(end, writing).await
                    }
                },
            };
            match written {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "a side of the session is gone");
                    break;
                }
                None => {
                    tracing::warn!("a side of the session did not read what was there for it");
                    break;
                }
            }
        }
        // Whoever waits for room learns that there will be none.
        self.queue.close();
        self.room.close();
        drop(self.queue);
        deliver.close().await;
    }
}

/// `None` if it was not done in time.
async fn in_time<T>(end: Instant, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = sleep_until(end) => None,
    }
}
