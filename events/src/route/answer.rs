//! What the router answers.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use hooks_runtime::registry::Snapshot;

use super::cache::Held;
use super::found::Found;

/// The entries that a topic leads to, for the time of a frame of this thread's stack.
///
/// To hold them longer, or across an `await`, take them [shared](Route::to_shared).
pub struct Route<'r, T>(pub(super) Answer<'r, T>);

pub(super) enum Answer<'r, T> {
    Kept(Snapshot<'r, Held<T>>),
    Own(Own<T>),
}

impl<T: Clone> Route<'_, T> {
    /// The same entries with an owner of their own.
    pub fn to_shared(&self) -> Arc<[T]> {
        match &self.0 {
            Answer::Kept(line) => line
                .as_ref()
                .map_or_else(|| [].into(), |line| line.entries.clone()),
            Answer::Own(entries) => entries.to_shared(),
        }
    }
}

impl<T> Deref for Route<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Answer::Kept(line) => line.as_ref().map_or(&[], |line| &line.entries),
            Answer::Own(entries) => entries.as_slice(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Route<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

/// An answer that is not kept.
pub(super) enum Own<T> {
    None,
    One(T),
    Many(Arc<[T]>),
}

impl<T: Clone> Own<T> {
    pub(super) fn of(found: &Found<'_, T>) -> Self {
        let mut values = found.iter().map(|entry| entry.value.clone());
        match found.len() {
            0 => Own::None,
            1 => values.next().map_or(Own::None, Own::One),
            _ => Own::Many(values.collect()),
        }
    }

    pub(super) fn to_shared(&self) -> Arc<[T]> {
        match self {
            Own::None => [].into(),
            Own::One(value) => [value.clone()].into(),
            Own::Many(values) => values.clone(),
        }
    }
}

impl<T> Own<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Own::None => &[],
            Own::One(value) => std::slice::from_ref(value),
            Own::Many(values) => values,
        }
    }
}
