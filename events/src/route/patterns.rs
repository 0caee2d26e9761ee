//! The patterns of a router: topics by their text, the others as a tree.

use std::collections::HashMap;
use std::sync::Arc;

use super::found::Found;
use super::handle::Watch;
use super::trie::{Trie, shrink, take};
use crate::topic::Topic;
use crate::topic::hash::TokenHash;

/// All entries, by pattern.
pub(super) struct Patterns<T> {
    /// Patterns without wildcards: topics.
    pub(super) literals: HashMap<Topic, Literal<T>, TokenHash>,
    pub(super) wildcards: Trie<T>,
    pub(super) last_order: u64,
}

/// What there is of one topic.
pub(super) struct Literal<T> {
    pub(super) entries: Vec<Entry<T>>,
    /// If there are handles for the topic.
    pub(super) watch: Option<Arc<Watch>>,
}

/// What was inserted.
pub(super) struct Entry<T> {
    /// Entries that were inserted later have a higher one.
    pub(super) order: u64,
    pub(super) value: T,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Patterns {
            literals: HashMap::default(),
            wildcards: Trie::default(),
            last_order: 0,
        }
    }
}

impl<T> Default for Literal<T> {
    fn default() -> Self {
        Literal {
            entries: Vec::new(),
            watch: None,
        }
    }
}

impl<T> Literal<T> {
    fn is_unused(&self) -> bool {
        self.entries.is_empty() && self.watch.is_none()
    }
}

impl<T> Patterns<T> {
    pub(super) fn remove_literal(&mut self, topic: &Topic, order: u64) -> Option<Entry<T>> {
        let literal = self.literals.get_mut(topic)?;
        let removed = take(&mut literal.entries, order);
        self.tidy(topic);
        removed
    }

    /// Tells the handles of that topic, if there are any, that its entries changed.
    pub(super) fn tell_handles(&self, topic: &Topic) {
        if let Some(watch) = self.literals.get(topic).and_then(|l| l.watch.as_deref()) {
            watch.changed();
        }
    }

    /// Forgets the topic if it has neither entries nor handles.
    pub(super) fn tidy(&mut self, topic: &Topic) {
        if self.literals.get(topic).is_some_and(Literal::is_unused) {
            self.literals.remove(topic);
            shrink(&mut self.literals);
        }
    }

    /// The entries whose patterns cover the topic, in order.
    pub(super) fn find(&self, topic: &Topic) -> Found<'_, T> {
        let mut found = Found::new();
        if let Some(literal) = self.literals.get(topic) {
            found.extend(&literal.entries);
        }
        self.wildcards.collect(topic.as_str(), &mut found);
        found.sort();
        found
    }
}
