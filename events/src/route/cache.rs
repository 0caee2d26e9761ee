//! Answers for topics that were asked for lately.
//!
//! Sets of four lines; a topic belongs to one set by its hash. A reader looks at the tags of the set and then at
//! one line, which it notes by a hazard pointer, so readers write to nothing that they share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hooks_runtime::registry::{Snapshot, SnapshotCell, Stale};

use crate::topic::Topic;
use crate::topic::hash::TokenHash;

/// How many lines a set has.
const WAYS: usize = 4;

/// A topic that finds its set full takes the place of another at one of so many such misses: topics that are
/// asked for once, or made up, hardly displace those that are asked for again and again.
const MISSES_TO_DISPLACE: u32 = 16;

/// What the router answered for a topic.
pub(super) struct Line<T> {
    pub(super) topic: Topic,
    /// Of the patterns at the time.
    pub(super) generation: u64,
    pub(super) entries: Arc<[T]>,
    /// The entries' orders.
    pub(super) orders: Box<[u64]>,
}

/// `None`: was emptied while somebody looked.
pub(super) type Held<T> = Option<Line<T>>;

pub(super) struct Cache<T> {
    /// How many sets, a power of two; 0 is no cache.
    sets: usize,
    max_entries: usize,
    table: OnceLock<Box<[Set<T>]>>,
    index: Mutex<Index>,
}

struct Set<T> {
    tags: [AtomicU64; WAYS],
    lines: [SnapshotCell<Held<T>>; WAYS],
    misses: AtomicU32,
}

/// Which lines hold an entry.
#[derive(Default)]
struct Index {
    holders: HashMap<u64, Vec<Place>, TokenHash>,
    /// Of all lines together.
    entries: usize,
}

#[derive(Clone, Copy, PartialEq)]
struct Place {
    set: u32,
    way: u32,
}

/// The answer where it is kept, or as it was given if there is no place.
pub(super) type Kept<'c, T> = Result<Snapshot<'c, Held<T>>, Line<T>>;

/// Values to drop without a lock.
pub(super) type Garbage<T> = Vec<Stale<Held<T>>>;

impl<T> Cache<T> {
    pub(super) fn new(max_topics: usize, max_entries: usize) -> Self {
        Cache {
            sets: match max_topics.div_ceil(WAYS) {
                0 => 0,
                sets => sets.next_power_of_two(),
            },
            max_entries,
            table: OnceLock::new(),
            index: Mutex::default(),
        }
    }

    /// The line of that topic, if it is of that generation.
    #[inline]
    pub(super) fn get(&self, topic: &Topic, generation: u64) -> Option<Snapshot<'_, Held<T>>> {
        let table = self.table.get()?;
        let hash = topic.hash_value();
        let set = &table[hash as usize & (table.len() - 1)];
        let way = set
            .tags
            .iter()
            .position(|tag| tag.load(Ordering::Relaxed) == hash)?;
        let line = set.lines[way].load(|| None);
        match &*line {
            Some(held) if held.generation == generation && held.topic == *topic => Some(line),
            _ => None,
        }
    }

    /// Whether an answer for that topic is to be kept, and where.
    fn place(&self, topic: &Topic, index: &Index, len: usize) -> Option<Place> {
        if self.sets == 0 {
            return None;
        }
        let table = self
            .table
            .get_or_init(|| (0..self.sets).map(|_| Set::new()).collect());
        let hash = topic.hash_value();
        let at = hash as usize & (table.len() - 1);
        let set = &table[at];
        let way = |wanted: u64| {
            set.tags
                .iter()
                .position(|tag| tag.load(Ordering::Relaxed) == wanted)
        };
        let room = index.entries + len <= self.max_entries;
        let way = match way(hash).or_else(|| way(0).filter(|_| room)) {
            Some(way) => way,
            None => {
                let misses = set.misses.fetch_add(1, Ordering::Relaxed);
                let turn = misses.is_multiple_of(MISSES_TO_DISPLACE);
                turn.then_some((misses / MISSES_TO_DISPLACE) as usize % WAYS)?
            }
        };
        Some(Place {
            set: at as u32,
            way: way as u32,
        })
    }

    /// Keeps an answer if there is a place for it. Whoever changes patterns must be kept out meanwhile.
    pub(super) fn put(&self, line: Line<T>) -> (Kept<'_, T>, Garbage<T>) {
        let mut garbage = Vec::new();
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = self.place(&line.topic, &index, line.orders.len()) else {
            return (Err(line), garbage);
        };
        garbage.extend(self.clear(place, &mut index));
        if index.entries + line.orders.len() > self.max_entries {
            return (Err(line), garbage);
        }
        index.entries += line.orders.len();
        for order in &line.orders {
            index.holders.entry(*order).or_default().push(place);
        }
        let (tag, cell) = self.at(place);
        tag.store(line.topic.hash_value(), Ordering::Relaxed);
        let mut line = Some(line);
        let held = cell.load(|| line.take());
        match line {
            None => (Ok(held), garbage),
            // A reader found the line empty first, and left the mark of that.
            Some(line) => {
                drop(held);
                garbage.extend(self.clear(place, &mut index));
                (Err(line), garbage)
            }
        }
    }

    /// Lets go of all answers that hold the entry with that order.
    pub(super) fn forget(&self, order: u64) -> Garbage<T> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let places = index.holders.get(&order).cloned().unwrap_or_default();
        places
            .into_iter()
            .filter_map(|place| self.clear(place, &mut index))
            .collect()
    }

    /// Lets go of the answer for that topic.
    pub(super) fn forget_topic(&self, topic: &Topic) -> Garbage<T> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(table) = self.table.get() else {
            return Vec::new();
        };
        let hash = topic.hash_value();
        let at = hash as usize & (table.len() - 1);
        (0..WAYS)
            .filter(|&way| table[at].tags[way].load(Ordering::Relaxed) == hash)
            .filter_map(|way| {
                self.clear(
                    Place {
                        set: at as u32,
                        way: way as u32,
                    },
                    &mut index,
                )
            })
            .collect()
    }

    fn clear(&self, place: Place, index: &mut Index) -> Option<Stale<Held<T>>> {
        let (tag, cell) = self.at(place);
        if tag.swap(0, Ordering::Relaxed) == 0 {
            return None;
        }
        if let Some(line) = &*cell.load(|| None) {
            index.entries -= line.orders.len();
            for order in &line.orders {
                if let Some(places) = index.holders.get_mut(order) {
                    places.retain(|other| *other != place);
                    if places.is_empty() {
                        index.holders.remove(order);
                    }
                }
            }
        }
        Some(cell.invalidate())
    }

    fn at(&self, place: Place) -> (&AtomicU64, &SnapshotCell<Held<T>>) {
        let table = self.table.get().expect("a place is in the table");
        let set = &table[place.set as usize];
        (
            &set.tags[place.way as usize],
            &set.lines[place.way as usize],
        )
    }
}

impl<T> Set<T> {
    fn new() -> Self {
        Set {
            tags: Default::default(),
            lines: Default::default(),
            misses: AtomicU32::new(0),
        }
    }
}
