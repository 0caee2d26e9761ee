//! The order in which intercepts are asked: `before`/`after`, then priority, then id.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use crate::error::HookError;
use crate::hook::Entry;

/// Sorts the intercepts of one registry for the phase before the body; after it the order is the reverse.
///
/// The result depends on the hooks alone, never on the order in which they were registered or linked.
pub(crate) fn order(entries: Vec<Arc<Entry>>) -> Result<Vec<Arc<Entry>>, HookError> {
    let entries = by_priority(entries.into_iter().map(|e| (0, e)).collect());
    let edges = edges(&entries);
    match topological(entries.len(), &edges) {
        Ok(sorted) => Ok(pick(&entries, sorted)),
        Err(stuck) => {
            let id = |i: usize| entries[i].1.id();
            let edges = edges.iter().filter(|(a, b)| stuck[*a] && stuck[*b]);
            let edges = edges.map(|(a, b)| format!("`{}` before `{}`", id(*a), id(*b)));
            Err(HookError::Cycle {
                edges: edges.collect(),
            })
        }
    }
}

/// Sorts the intercepts of a registry and of the scopes above it, outermost first.
///
/// Each registry refuses what would close a cycle among its own hooks, so one can only arise between a scope
/// and what is below it. Then what is below keeps its order, and the scope's hooks are placed among it by
/// priority.
pub(crate) fn order_layers(layers: Vec<Vec<Arc<Entry>>>) -> Vec<Arc<Entry>> {
    let layers = layers.into_iter().enumerate();
    let entries = by_priority(
        layers
            .flat_map(|(layer, list)| list.into_iter().map(move |e| (layer, e)))
            .collect(),
    );
    let edges = edges(&entries);
    if let Ok(sorted) = topological(entries.len(), &edges) {
        return pick(&entries, sorted);
    }
    let layer = |i: usize| entries[i].0;
    let mut kept: Vec<(usize, usize)> = Vec::new();
    for top in 0..=entries.iter().map(|(layer, _)| *layer).max().unwrap_or(0) {
        let below = kept.len();
        let reaching = |(a, b): &&(usize, usize)| layer(*a).max(layer(*b)) == top;
        kept.extend(edges.iter().filter(reaching));
        if topological(entries.len(), &kept).is_err() {
            kept.truncate(below);
            let within = |(a, b): &&(usize, usize)| layer(*a) == top && layer(*b) == top;
            kept.extend(edges.iter().filter(within));
        }
    }
    let sorted = topological(entries.len(), &kept);
    pick(
        &entries,
        sorted.unwrap_or_else(|_| (0..entries.len()).collect()),
    )
}

/// Hooks with the number of their layer.
type Layered = Vec<(usize, Arc<Entry>)>;

fn by_priority(mut entries: Layered) -> Layered {
    entries.sort_by(|(_, a), (_, b)| (a.meta.priority, a.id()).cmp(&(b.meta.priority, b.id())));
    entries
}

fn pick(entries: &Layered, sorted: Vec<usize>) -> Vec<Arc<Entry>> {
    sorted.into_iter().map(|i| entries[i].1.clone()).collect()
}

/// Kahn's algorithm: of all that may come next, the first. An error says which are in a cycle or behind one.
fn topological(len: usize, edges: &[(usize, usize)]) -> Result<Vec<usize>, Vec<bool>> {
    let mut waits = vec![0usize; len];
    for (_, to) in edges {
        waits[*to] += 1;
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..len).filter(|i| waits[*i] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(len);
    while let Some(Reverse(next)) = ready.pop() {
        sorted.push(next);
        for (_, to) in edges.iter().filter(|(from, _)| *from == next) {
            waits[*to] -= 1;
            if waits[*to] == 0 {
                ready.push(Reverse(*to));
            }
        }
    }
    if sorted.len() < len {
        return Err(waits.iter().map(|waits| *waits > 0).collect());
    }
    Ok(sorted)
}

/// `(first, second)` pairs; names of absent hooks give none, those that several layers have give several.
fn edges(entries: &Layered) -> Vec<(usize, usize)> {
    let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
    let wishes = |e: &Entry| !e.meta.before.is_empty() || !e.meta.after.is_empty();
    if !entries.iter().any(|(_, e)| wishes(e)) {
        return Vec::new();
    }
    for (i, (_, entry)) in entries.iter().enumerate() {
        by_id.entry(entry.id()).or_default().push(i);
    }
    let named = |ids: &[Box<str>]| -> Vec<usize> {
        let found = ids.iter().filter_map(|id| by_id.get(&**id));
        found.flatten().copied().collect()
    };
    let mut edges = Vec::new();
    for (i, (_, entry)) in entries.iter().enumerate() {
        edges.extend(named(&entry.meta.before).into_iter().map(|j| (i, j)));
        edges.extend(named(&entry.meta.after).into_iter().map(|j| (j, i)));
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}
