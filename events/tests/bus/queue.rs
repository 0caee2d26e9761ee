//! The queues by themselves.
#![cfg(not(feature = "shuttle"))]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use hooks_events::queue::{Entry, Lane, Reader};
use hooks_events::{GapReason, Overflow};
use proptest::prelude::*;

fn reader(lane: &Arc<Lane<u64>>, key: u64, capacity: usize, overflow: Overflow) -> Reader<u64> {
    lane.reader(key, NonZeroUsize::new(capacity).unwrap(), overflow)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_reader_sleeps_after_it_came_twice_and_is_woken_once() {
    let lane = Arc::default();
    let mut reader = reader(&lane, 1, 8, Overflow::Block);
    let count = Arc::new(Count::default());
    let woken = || count.0.swap(0, Ordering::SeqCst);
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(reader.poll_next(&mut cx).is_pending());
    assert_eq!(woken(), 1, "it wants to come again");
    assert!(reader.poll_next(&mut cx).is_pending());
    assert_eq!(woken(), 0, "now it sleeps");
    for n in 1..=3 {
        assert_eq!(lane.push(n, None).queued, 1);
    }
    assert_eq!(woken(), 1, "only the first item wakes it");
    for n in 1..=3 {
        assert_eq!(
            reader.poll_next(&mut cx),
            Poll::Ready(Some(Entry::Item(n, n)))
        );
    }
    lane.seal();
    assert_eq!(reader.poll_next(&mut cx), Poll::Ready(None));
}

#[test]
fn writers_are_woken_when_half_of_it_is_free() {
    let lane = Arc::default();
    let mut reader = reader(&lane, 1, 8, Overflow::Block);
    (0..8).for_each(|n| assert_eq!(lane.push(n, None).queued, 1));
    assert!(!lane.has_room());
    assert_eq!(lane.first_full(), Some((1, Overflow::Block)));
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let mut room = std::pin::pin!(lane.room());
    assert!(room.as_mut().poll(&mut cx).is_pending());
    let mut read = 0;
    while count.0.load(Ordering::SeqCst) == 0 {
        assert!(matches!(reader.try_next(), Some(Some(Entry::Item(..)))));
        read += 1;
    }
    assert!((4..8).contains(&read), "after {read}");
    assert!(room.as_mut().poll(&mut cx).is_ready());
}

/// What a queue should do, without locks and batches.
struct Model {
    capacity: usize,
    overflow: Overflow,
    last: u64,
    kept: Vec<u64>,
    /// Of the numbers from 1 on, which were read or lost.
    expected: Vec<Option<u64>>,
}

impl Model {
    fn push(&mut self) {
        self.last += 1;
        let full = self.kept.len() >= self.capacity;
        let half = self.kept.len() >= self.capacity / 2;
        match self.overflow {
            Overflow::DropOldest if full => drop(self.kept.remove(0)),
            Overflow::DropNewest if full => return,
            Overflow::Sample(every)
                if full || half && !self.last.is_multiple_of(u64::from(every.get())) =>
            {
                return;
            }
            _ => {}
        }
        self.kept.push(self.last);
    }

    fn read(&mut self, count: usize) {
        let count = count.min(self.kept.len());
        self.expected.extend(self.kept.drain(..count).map(Some));
    }
}

fn overflow() -> impl Strategy<Value = Overflow> {
    prop_oneof![
        Just(Overflow::Block),
        Just(Overflow::DropOldest),
        Just(Overflow::DropNewest),
        (1_u32..5).prop_map(|every| Overflow::Sample(every.try_into().unwrap())),
    ]
}

proptest! {
    /// In every order of writing and reading: what is kept is what the strategy says, and gaps are exactly what
    /// is missing.
    #[test]
    fn a_queue_does_what_its_strategy_says(
        overflow in overflow(),
        // From 64 on, a reader tells of what it has read for several items at once.
        capacity in 1_usize..16,
        steps in prop::collection::vec((0_usize..24, 0_usize..24), 1..20),
    ) {
        let lane = Arc::default();
        let mut reader = reader(&lane, 1, capacity, overflow);
        // Another reader of the lane, which is not read, does not change anything.
        let _other = self::reader(&lane, 2, 3, Overflow::DropOldest);
        let mut model = Model { capacity, overflow, last: 0, kept: Vec::new(), expected: Vec::new() };
        let mut got = Vec::new();
        let mut at = 0;
        let mut take = |entry: Entry<u64>| match entry {
            Entry::Item(number, item) => {
                assert_eq!((number, item), (at + 1, number));
                at = number;
                got.push(number);
                true
            }
            Entry::Gap(gap) => {
                assert_eq!((gap.from, gap.reason), (at + 1, GapReason::Full));
                at = gap.to;
                false
            }
        };
        for (pushes, reads) in steps {
            for _ in 0..pushes {
                model.push();
                let _counted = lane.push(model.last, None);
                prop_assert_eq!(lane.counts(1).length, model.kept.len());
            }
            model.read(reads);
            let mut read = 0;
            while read < reads {
                let Some(Some(entry)) = reader.try_next() else { break };
                read += usize::from(take(entry));
            }
        }
        model.read(usize::MAX);
        lane.seal();
        while let Some(Some(entry)) = reader.try_next() {
            take(entry);
        }
        let expected: Vec<u64> = model.expected.into_iter().flatten().collect();
        prop_assert_eq!(&got, &expected);
        prop_assert_eq!(at, model.last);
        let counts = lane.counts(1);
        prop_assert_eq!(counts.lost + got.len() as u64, model.last);
        prop_assert_eq!(counts.offered, model.last);
    }
}
