//! What a walk over the patterns finds.

use super::patterns::Entry;

/// How many entries are found without an allocation.
const FEW: usize = 8;

/// Entries that cover a topic.
pub(super) struct Found<'p, T> {
    few: [Option<&'p Entry<T>>; FEW],
    len: usize,
    /// All of them, if they are not few.
    many: Vec<Option<&'p Entry<T>>>,
}

impl<'p, T> Found<'p, T> {
    pub(super) fn new() -> Self {
        Found {
            few: [None; FEW],
            len: 0,
            many: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn extend(&mut self, entries: &'p [Entry<T>]) {
        for entry in entries {
            self.push(entry);
        }
    }

    #[inline]
    fn push(&mut self, entry: &'p Entry<T>) {
        match self.few.get_mut(self.len) {
            Some(place) => *place = Some(entry),
            None => self.push_beyond_few(entry),
        }
        self.len += 1;
    }

    #[cold]
    fn push_beyond_few(&mut self, entry: &'p Entry<T>) {
        if self.len == FEW {
            self.many.extend(self.few);
        }
        self.many.push(Some(entry));
    }

    /// Sorts by order: entries are found node by node.
    pub(super) fn sort(&mut self) {
        if self.len > 1 {
            self.places_mut()
                .sort_unstable_by_key(|entry| entry.map(|entry| entry.order));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &'p Entry<T>> {
        let places = if self.len > FEW {
            &self.many
        } else {
            &self.few[..self.len]
        };
        places
            .iter()
            .map(|entry| entry.expect("as many places are filled as were counted"))
    }

    fn places_mut(&mut self) -> &mut [Option<&'p Entry<T>>] {
        if self.len > FEW {
            &mut self.many
        } else {
            &mut self.few[..self.len]
        }
    }
}
