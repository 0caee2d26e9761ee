//! The task of a handler: takes events from its queue and has them handled.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::{Id, JoinSet};

use super::attempt::Delivering;
use super::lanes::{Lanes, Strategy, Turn};
use crate::event::Event;
use crate::queue::Entry;
use crate::subscription::feed::Feed;

pub(crate) struct Worker {
    pub(crate) feed: Feed,
    pub(crate) delivering: Arc<Delivering>,
    pub(crate) strategy: Strategy,
    pub(crate) is_once: bool,
}

impl Worker {
    /// Until the bus is closed and everything is handled, or the task is aborted.
    pub(crate) async fn run(mut self) {
        if self.is_once || self.strategy == Strategy::Sequential {
            self.one_by_one().await;
        } else {
            self.at_the_same_time().await;
        }
    }

    async fn one_by_one(&mut self) {
        while let Some(entry) = std::future::poll_fn(|cx| self.feed.poll_entry(cx)).await {
            match entry {
                Entry::Gap(gap) => self.delivering.tell(gap),
                Entry::Item(_, event) => {
                    if self.delivering.deliver(event).await && self.is_once {
                        return;
                    }
                }
            }
        }
    }

    async fn at_the_same_time(&mut self) {
        let mut running = Running {
            lanes: Lanes::new(self.strategy),
            tasks: JoinSet::new(),
            lane_of: HashMap::new(),
            limit: self.strategy.limit(),
            is_ended: false,
        };
        std::future::poll_fn(|cx| running.poll(&mut self.feed, &self.delivering, cx)).await;
    }
}

/// What is being handled. Dropping it stops all of it.
struct Running {
    lanes: Lanes<Arc<Event>>,
    tasks: JoinSet<()>,
    lane_of: HashMap<Id, u64>,
    limit: usize,
    is_ended: bool,
}

impl Running {
    fn start(&mut self, delivering: &Arc<Delivering>, event: Arc<Event>, lane: Option<u64>) {
        let delivering = Arc::clone(delivering);
        let task = self.tasks.spawn(async move {
            delivering.deliver(event).await;
        });
        if let Some(lane) = lane {
            self.lane_of.insert(task.id(), lane);
        }
    }

    fn poll(
        &mut self,
        feed: &mut Feed,
        delivering: &Arc<Delivering>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            while let Poll::Ready(Some(done)) = self.tasks.poll_join_next_with_id(cx) {
                // A delivery catches panics; one that ends in an error was stopped with the runtime.
                let id = done.map_or_else(|error| error.id(), |(id, ())| id);
                if let Some(lane) = self.lane_of.remove(&id)
                    && let Some(next) = self.lanes.leave(lane)
                {
                    self.start(delivering, next, Some(lane));
                }
            }
            if self.is_ended {
                return if self.tasks.is_empty() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                };
            }
            if self.tasks.len() >= self.limit || self.lanes.is_crowded() {
                return Poll::Pending;
            }
            match feed.poll_entry(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => self.is_ended = true,
                Poll::Ready(Some(Entry::Gap(gap))) => delivering.tell(gap),
                Poll::Ready(Some(Entry::Item(_, event))) => {
                    if let Turn::Now(event, lane) = self.lanes.enter(&Arc::clone(&event), event) {
                        self.start(delivering, event, lane);
                    }
                }
            }
        }
    }
}
