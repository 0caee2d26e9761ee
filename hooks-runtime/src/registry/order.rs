//! The order in which intercepts are asked: `before`/`after`, then priority, then id.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use crate::error::HookError;
use crate::hook::Entry;

/// Sorts intercepts for the phase before the body; after it the order is the reverse.
///
/// The result depends on the hooks alone, never on the order in which they were registered or linked.
pub(crate) fn order(mut entries: Vec<Arc<Entry>>) -> Result<Vec<Arc<Entry>>, HookError> {
    entries.sort_by(|a, b| (a.meta.priority, a.id()).cmp(&(b.meta.priority, b.id())));
    if entries
        .iter()
        .all(|e| e.meta.before.is_empty() && e.meta.after.is_empty())
    {
        return Ok(entries);
    }
    let edges = edges(&entries);
    let mut waits = vec![0usize; entries.len()];
    for (_, to) in &edges {
        waits[*to] += 1;
    }
    // Kahn's algorithm; the heap gives, of all that may run now, the first by priority and id.
    let mut ready: BinaryHeap<Reverse<usize>> = (0..entries.len())
        .filter(|i| waits[*i] == 0)
        .map(Reverse)
        .collect();
    let mut sorted = Vec::with_capacity(entries.len());
    while let Some(Reverse(next)) = ready.pop() {
        sorted.push(next);
        for (_, to) in edges.iter().filter(|(from, _)| *from == next) {
            waits[*to] -= 1;
            if waits[*to] == 0 {
                ready.push(Reverse(*to));
            }
        }
    }
    if sorted.len() < entries.len() {
        let stuck = |i: &usize| waits[*i] > 0;
        let edges = edges
            .iter()
            .filter(|(from, to)| stuck(from) && stuck(to))
            .map(|(from, to)| format!("`{}` before `{}`", entries[*from].id(), entries[*to].id()))
            .collect();
        return Err(HookError::Cycle { edges });
    }
    Ok(sorted.into_iter().map(|i| entries[i].clone()).collect())
}

/// `(first, second)` pairs; names of absent hooks give none.
fn edges(entries: &[Arc<Entry>]) -> Vec<(usize, usize)> {
    let by_id: HashMap<&str, usize> = entries
        .iter()
        .enumerate()
        .map(|(i, e)| (e.id(), i))
        .collect();
    let mut edges = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        edges.extend(
            entry
                .meta
                .before
                .iter()
                .filter_map(|id| by_id.get(&**id))
                .map(|j| (i, *j)),
        );
        edges.extend(
            entry
                .meta
                .after
                .iter()
                .filter_map(|id| by_id.get(&**id))
                .map(|j| (*j, i)),
        );
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}
