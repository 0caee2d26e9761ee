//! Models of the queues, under shuttle's schedules:
//! `cargo test -p hooks-events --features shuttle --test shuttle`.
//!
//! What makes them fail was tried: a writer that does not wake the reader (`slot.reader.take()` in `Lane::push`
//! left out); a reader that does not let writers go on (`let_writers_go_on` in `Lane::credit` and `Lane::fill` left
//! out); `Room` that looks for room with the hint outside of the lock before it notes its waker; `Lane::seal` that
//! does not wake; a `Slot::offer` that does not note the gap of the oldest item.
#![cfg(feature = "shuttle")]

use std::num::NonZeroUsize;

use hooks_events::Overflow;
use hooks_events::queue::{Entry, Lane, Reader};
use shuttle::future::block_on;
use shuttle::sync::Arc;
use shuttle::thread::{self, JoinHandle};

const SCHEDULES: usize = 3_000;

/// The number of the writer and of the item.
type Item = (usize, usize);

fn capacity(items: usize) -> NonZeroUsize {
    NonZeroUsize::new(items).unwrap()
}

/// A writer that waits for room and then pushes, as publishers do.
fn writer(lanes: &[Arc<Lane<Item>>], number: usize, items: usize) -> JoinHandle<()> {
    let lanes = lanes.to_vec();
    thread::spawn(move || {
        for item in 0..items {
            for lane in &lanes {
                while !lane.has_room() {
                    block_on(lane.room());
                }
            }
            for lane in &lanes {
                let _closed_or_queued = lane.push((number, item), None);
            }
        }
    })
}

/// Reads to the end: what came, and how many are missing.
fn read(mut reader: Reader<Item>) -> (Vec<Item>, u64) {
    let (mut items, mut missing, mut at) = (Vec::new(), 0, 0);
    block_on(async {
        while let Some(entry) = std::future::poll_fn(|cx| reader.poll_next(cx)).await {
            match entry {
                Entry::Item(number, item) => {
                    assert_eq!(number, at + 1, "a number is missing without a gap");
                    at = number;
                    items.push(item);
                }
                Entry::Gap(gap) => {
                    assert_eq!(gap.from, at + 1, "a gap is not in its place");
                    at = gap.to;
                    missing += gap.count();
                }
            }
        }
    });
    (items, missing)
}

fn is_in_order(items: &[Item], writer: usize) -> bool {
    let own = items.iter().filter(|(by, _)| *by == writer);
    own.is_sorted_by(|one, next| one.1 < next.1)
}

#[test]
fn where_writers_wait_everything_comes_in_order() {
    shuttle::check_random(
        || {
            let lanes: Vec<Arc<Lane<Item>>> = (0..2).map(|_| Arc::default()).collect();
            let readers: Vec<_> = [(0, 1), (0, 2), (1, 1)]
                .into_iter()
                .enumerate()
                .map(|(key, (lane, items))| {
                    let lane = &lanes[lane];
                    let reader = lane.reader(key as u64, capacity(items), Overflow::Block);
                    thread::spawn(move || read(reader))
                })
                .collect();
            let writers: Vec<_> = (0..2).map(|number| writer(&lanes, number, 3)).collect();
            writers.into_iter().for_each(|w| w.join().unwrap());
            lanes.iter().for_each(|lane| lane.seal());
            for reader in readers {
                let (items, missing) = reader.join().unwrap();
                assert_eq!((items.len(), missing), (6, 0));
                assert!((0..2).all(|writer| is_in_order(&items, writer)));
            }
        },
        SCHEDULES,
    );
}

#[test]
fn where_items_are_lost_every_loss_is_told() {
    shuttle::check_random(
        || {
            let lane: Arc<Lane<Item>> = Arc::default();
            let sample = Overflow::Sample(2.try_into().unwrap());
            let readers: Vec<_> = [Overflow::DropOldest, Overflow::DropNewest, sample]
                .into_iter()
                .enumerate()
                .map(|(key, overflow)| {
                    let reader = lane.reader(key as u64, capacity(2), overflow);
                    thread::spawn(move || read(reader))
                })
                .collect();
            let lanes = [lane];
            let writers: Vec<_> = (0..2).map(|number| writer(&lanes, number, 4)).collect();
            writers.into_iter().for_each(|w| w.join().unwrap());
            lanes[0].seal();
            for reader in readers {
                let (items, missing) = reader.join().unwrap();
                assert_eq!(items.len() as u64 + missing, 8);
                assert!((0..2).all(|writer| is_in_order(&items, writer)));
            }
        },
        SCHEDULES,
    );
}

/// A queue is longer than its capacity only by those who push at the same moment.
#[test]
fn a_queue_is_hardly_longer_than_its_capacity() {
    shuttle::check_random(
        || {
            let lane: Arc<Lane<Item>> = Arc::default();
            let reader = lane.reader(1, capacity(1), Overflow::Block);
            let lanes = [lane.clone()];
            let writers: Vec<_> = (0..2).map(|number| writer(&lanes, number, 2)).collect();
            for _ in 0..4 {
                assert!(lane.counts(1).length <= 2, "{:?}", lane.counts(1));
                thread::yield_now();
            }
            let reader = thread::spawn(move || read(reader));
            writers.into_iter().for_each(|w| w.join().unwrap());
            lane.seal();
            assert_eq!(reader.join().unwrap().0.len(), 4);
        },
        SCHEDULES,
    );
}

/// Nobody waits for ever for a reader that is gone, or on a lane that is sealed.
#[test]
fn whoever_waits_is_woken_at_the_end() {
    shuttle::check_random(
        || {
            let lane: Arc<Lane<Item>> = Arc::default();
            let gone = lane.reader(1, capacity(1), Overflow::Block);
            let stays = lane.reader(2, capacity(4), Overflow::Block);
            let lanes = [lane.clone()];
            let writers: Vec<_> = (0..2).map(|number| writer(&lanes, number, 2)).collect();
            let reader = thread::spawn(move || read(stays));
            let leaves = thread::spawn(move || drop(gone));
            leaves.join().unwrap();
            writers.into_iter().for_each(|w| w.join().unwrap());
            lane.seal();
            let (items, missing) = reader.join().unwrap();
            assert_eq!((items.len(), missing), (4, 0));
        },
        SCHEDULES,
    );
}

#[test]
fn sealing_ends_writers_and_readers() {
    shuttle::check_random(
        || {
            let lane: Arc<Lane<Item>> = Arc::default();
            let never_reads = lane.reader(1, capacity(1), Overflow::Block);
            let reads = lane.reader(2, capacity(1), Overflow::Block);
            let lanes = [lane.clone()];
            let writers: Vec<_> = (0..2).map(|number| writer(&lanes, number, 2)).collect();
            let reader = thread::spawn(move || read(reads));
            let seals = thread::spawn(move || lane.seal());
            seals.join().unwrap();
            writers.into_iter().for_each(|w| w.join().unwrap());
            let (items, missing) = reader.join().unwrap();
            assert!(items.len() <= 4 && missing == 0);
            drop(never_reads);
        },
        SCHEDULES,
    );
}

/// A writer that gives up while it waits leaves nothing behind, and takes nobody's turn.
#[test]
fn a_writer_that_gives_up_changes_nothing() {
    shuttle::check_random(
        || {
            let lane: Arc<Lane<Item>> = Arc::default();
            let reader = lane.reader(1, capacity(1), Overflow::Block);
            let lanes = [lane.clone()];
            let gives_up = {
                let lane = lane.clone();
                thread::spawn(move || {
                    let mut room = std::pin::pin!(lane.room());
                    block_on(std::future::poll_fn(|cx| {
                        let _pending_or_ready = room.as_mut().poll(cx);
                        std::task::Poll::Ready(())
                    }));
                })
            };
            let writer = writer(&lanes, 0, 3);
            let reader = thread::spawn(move || read(reader));
            gives_up.join().unwrap();
            writer.join().unwrap();
            lane.seal();
            assert_eq!(reader.join().unwrap().0.len(), 3);
        },
        SCHEDULES,
    );
}
