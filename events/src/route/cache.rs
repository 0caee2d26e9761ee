//! Answers for topics that were asked for lately.
//!
//! Sets of four lines; a topic belongs to one set by its hash. A reader looks at the tags of the set and then at
//! one line, which it notes by a hazard pointer, so readers write to nothing that they share.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hooks_runtime::registry::{Snapshot, SnapshotCell, Stale};

use crate::topic::Topic;

/// How many lines a set has.
const WAYS: usize = 4;

/// A topic that finds its set full takes the place of another only if it was missed lately, and then at one of so
/// many such misses: topics that are made up, or asked for once, displace nothing, and more topics than places do
/// not displace each other all the time.
const MISSES_TO_DISPLACE: u32 = 8;

/// The tag of a line that holds nothing; the hash of no topic.
const FREE: u64 = 0;

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
    /// Of all lines together; changes under the lock of the index.
    entries: AtomicUsize,
    index: Mutex<Index>,
}

struct Set<T> {
    tags: [AtomicU64; WAYS],
    lines: [SnapshotCell<Held<T>>; WAYS],
    /// Hashes of topics that found no room lately.
    missed: [AtomicU64; WAYS],
    /// Decides who displaces whom: a count would serve topics that come in turn always in the same way.
    dice: AtomicU32,
    /// The generation for which a line was found out of date.
    outdated: AtomicU64,
}

/// Which lines hold which entries.
#[derive(Default)]
struct Index {
    /// Orders of entries, each with the places of the lines that hold it.
    holders: BTreeSet<(u64, Place)>,
}

/// A line: the number of its set, times the ways, plus that of its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(usize);

impl Place {
    fn new(set: usize, way: usize) -> Self {
        Place(set * WAYS + way)
    }
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
            entries: AtomicUsize::new(0),
            index: Mutex::default(),
        }
    }

    /// Calls with the entries of that topic, if they are of that generation; the call comes back otherwise.
    // A snapshot that is moved goes through memory, which costs more than all else here.
    #[inline(always)]
    pub(super) fn with<R, F>(&self, topic: &Topic, generation: u64, call: F) -> Result<R, F>
    where
        F: FnOnce(&[T]) -> R,
    {
        let Some(cell) = self.find(topic) else {
            return Err(call);
        };
        let line = cell.load(|| None);
        match &*line {
            Some(held) if held.generation == generation && held.topic == *topic => {
                Ok(call(&held.entries))
            }
            _ => Err(call),
        }
    }

    /// The line of that topic, if it is of that generation.
    #[inline(always)]
    pub(super) fn get(&self, topic: &Topic, generation: u64) -> Option<Snapshot<'_, Held<T>>> {
        let line = self.find(topic)?.load(|| None);
        match &*line {
            Some(held) if held.generation == generation && held.topic == *topic => Some(line),
            _ => None,
        }
    }

    /// The line that may be that topic's.
    #[inline(always)]
    fn find(&self, topic: &Topic) -> Option<&SnapshotCell<Held<T>>> {
        let table = self.table.get()?;
        let hash = topic.hash_value();
        let set = &table[set_of(hash, table)];
        Some(&set.lines[set.way_of(hash)?])
    }

    /// Whether an answer for that topic, of that generation, is worth to be kept.
    ///
    /// A line that is out of date is renewed at the second sight of that, so that patterns which come and go all
    /// the time do not cost more than the walk.
    pub(super) fn wants(&self, topic: &Topic, generation: u64, entries: usize) -> bool {
        if self.sets == 0 || entries > self.max_entries {
            return false;
        }
        let table = self
            .table
            .get_or_init(|| (0..self.sets).map(|_| Set::new()).collect());
        let hash = topic.hash_value();
        let set = &table[set_of(hash, table)];
        if set.way_of(hash).is_some() {
            return set.outdated.swap(generation, Ordering::Relaxed) == generation;
        }
        let has_room = self.entries.load(Ordering::Relaxed) + entries <= self.max_entries;
        if has_room && set.way_of(FREE).is_some() {
            return true;
        }
        set.was_missed(hash) && set.throw_dice().is_multiple_of(MISSES_TO_DISPLACE)
    }

    /// Where the answer for that topic is, or is to be.
    fn place(&self, topic: &Topic) -> Option<Place> {
        let table = self.table.get()?;
        let hash = topic.hash_value();
        let at = set_of(hash, table);
        let set = &table[at];
        let way = set.way_of(hash).or_else(|| set.way_of(FREE));
        let any = || set.throw_dice() as usize % WAYS;
        Some(Place::new(at, way.unwrap_or_else(any)))
    }

    /// Keeps an answer if there is a place for it. Whoever changes patterns must be kept out meanwhile.
    pub(super) fn put(&self, line: Line<T>) -> (Kept<'_, T>, Garbage<T>) {
        let mut index = self.lock();
        let Some(place) = self.place(&line.topic) else {
            return (Err(line), Vec::new());
        };
        let garbage = vec![self.clear(place, &mut index)];
        let len = line.orders.len();
        if self.entries.load(Ordering::Relaxed) + len > self.max_entries {
            return (Err(line), garbage);
        }
        let (tag, cell) = self.at(place);
        let hash = line.topic.hash_value();
        let mut line = Some(line);
        let held = cell.load(|| line.take());
        if let Some(line) = line {
            // A reader found the line empty first, and left the mark of that.
            return (Err(line), garbage);
        }
        tag.store(hash, Ordering::Relaxed);
        self.entries.fetch_add(len, Ordering::Relaxed);
        if let Some(line) = &*held {
            index
                .holders
                .extend(line.orders.iter().map(|order| (*order, place)));
        }
        (Ok(held), garbage)
    }

    /// Lets go of all answers that hold the entry with that order. Others may keep answers meanwhile.
    pub(super) fn forget(&self, order: u64) -> Garbage<T> {
        let all = (order, Place(0))..=(order, Place(usize::MAX));
        let holders = |index: &Index| -> Vec<_> { index.holders.range(all).copied().collect() };
        let found = holders(&self.lock());
        let still_there = |holder: &(u64, Place)| {
            let mut index = self.lock();
            let holds = index.holders.contains(holder);
            holds.then(|| self.clear(holder.1, &mut index))
        };
        found.iter().filter_map(still_there).collect()
    }

    /// Lets go of the answer for that topic.
    pub(super) fn forget_topic(&self, topic: &Topic) -> Garbage<T> {
        let mut index = self.lock();
        let Some(table) = self.table.get() else {
            return Vec::new();
        };
        let hash = topic.hash_value();
        let at = set_of(hash, table);
        let way = table[at].way_of(hash);
        way.map(|way| self.clear(Place::new(at, way), &mut index))
            .into_iter()
            .collect()
    }

    fn clear(&self, place: Place, index: &mut Index) -> Stale<Held<T>> {
        let (tag, cell) = self.at(place);
        if tag.swap(FREE, Ordering::Relaxed) != FREE
            && let Some(line) = &*cell.load(|| None)
        {
            self.entries.fetch_sub(line.orders.len(), Ordering::Relaxed);
            for order in &line.orders {
                index.holders.remove(&(*order, place));
            }
        }
        cell.invalidate()
    }

    fn at(&self, place: Place) -> (&AtomicU64, &SnapshotCell<Held<T>>) {
        let table = self.table.get().expect("a place is in the table");
        let set = &table[place.0 / WAYS];
        let way = place.0 % WAYS;
        (&set.tags[way], &set.lines[way])
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of the set to which topics with that hash belong.
#[inline(always)]
fn set_of<T>(hash: u64, table: &[Set<T>]) -> usize {
    hash as usize & (table.len() - 1)
}

impl<T> Set<T> {
    fn new() -> Self {
        Set {
            tags: Default::default(),
            lines: Default::default(),
            missed: Default::default(),
            dice: AtomicU32::new(0),
            outdated: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether a topic with that hash found no room lately; if not, it is noted that it did now.
    fn was_missed(&self, hash: u64) -> bool {
        let was_missed = self
            .missed
            .iter()
            .any(|missed| missed.load(Ordering::Relaxed) == hash);
        if !was_missed {
            self.missed[self.throw_dice() as usize % WAYS].store(hash, Ordering::Relaxed);
        }
        was_missed
    }

    /// Any number: the high bits of a linear congruential generator with the constants of Numerical Recipes.
    fn throw_dice(&self) -> u32 {
        // Two threads may get the same one: a locked instruction would be a tenth of a miss.
        let last = self.dice.load(Ordering::Relaxed);
        let next = last.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.dice.store(next, Ordering::Relaxed);
        next >> 16
    }

    #[inline(always)]
    fn way_of(&self, tag: u64) -> Option<usize> {
        self.tags
            .iter()
            .position(|other| other.load(Ordering::Relaxed) == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(nth: usize, entries: usize) -> Line<usize> {
        Line {
            topic: Topic::new(&format!("t.{nth}")).unwrap(),
            generation: 0,
            entries: (0..entries).collect(),
            orders: (0..entries as u64).collect(),
        }
    }

    /// What was counted in is counted out: else a cache would believe to be full and keep nothing any more.
    #[test]
    fn a_cache_knows_what_it_holds() {
        let cache = Cache::new(16, 100);
        for nth in 0..200 {
            let line = line(nth, 1 + nth % 5);
            if cache.wants(&line.topic, 0, line.orders.len()) {
                drop(cache.put(line));
            }
            let index = cache.lock();
            let held = cache.entries.load(Ordering::Relaxed);
            assert_eq!(index.holders.len(), held);
            assert!(held <= 100);
        }
        assert!(cache.entries.load(Ordering::Relaxed) > 16);
        // Every line holds the entry of order 0.
        assert_eq!(cache.forget(0).len(), 16);
        assert_eq!(cache.entries.load(Ordering::Relaxed), 0);
        assert!(cache.lock().holders.is_empty());
    }

    fn ask(cache: &Cache<usize>, nth: usize) -> bool {
        let line = line(nth, 1);
        let is_kept = cache.get(&line.topic, 0).is_some();
        if !is_kept && cache.wants(&line.topic, 0, 1) {
            drop(cache.put(line));
        }
        is_kept
    }

    #[test]
    fn topics_that_are_asked_for_once_displace_nothing() {
        let cache = Cache::new(4, 100);
        (0..4).for_each(|nth| assert!(!ask(&cache, nth)));
        (4..2_000).for_each(|nth| assert!(!ask(&cache, nth)));
        assert!((0..4).all(|nth| ask(&cache, nth)));
    }

    #[test]
    fn a_topic_that_is_asked_for_again_and_again_finds_a_place_among_others() {
        let cache = Cache::new(4, 100);
        (0..4).for_each(|nth| assert!(!ask(&cache, nth)));
        // Each time the new topic of all, each time one that nobody asks for again.
        let until = (1..1_000).find(|nth| ask(&cache, 4) || ask(&cache, 100 + nth));
        assert!(until.is_some_and(|asked| asked < 200), "{until:?}");
    }

    #[test]
    fn an_answer_that_is_too_large_is_not_kept_and_displaces_nothing_for_ever() {
        let cache = Cache::new(4, 10);
        assert!(cache.wants(&line(0, 3).topic, 0, 3) && cache.put(line(0, 3)).0.is_ok());
        assert!(!cache.wants(&line(1, 11).topic, 0, 11));
        assert!(cache.put(line(2, 8)).0.is_err());
        assert!(cache.get(&line(0, 3).topic, 0).is_some());
        assert!(
            cache.get(&line(0, 3).topic, 1).is_none(),
            "another generation"
        );
    }
}
