//! Patterns with wildcards, as a tree of tokens.

use std::collections::HashMap;

use super::found::Found;
use super::patterns::Entry;
use crate::topic::hash::TokenHash;

/// All patterns that begin with the tokens on the way from the root to here.
pub(super) struct Trie<T> {
    /// The next token is this one.
    tokens: HashMap<Box<str>, Trie<T>, TokenHash>,
    /// The next token is `*`.
    any: Option<Box<Trie<T>>>,
    /// The pattern ends here.
    here: Vec<Entry<T>>,
    /// The pattern ends here with `>`.
    below: Vec<Entry<T>>,
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Trie {
            tokens: HashMap::default(),
            any: None,
            here: Vec::new(),
            below: Vec::new(),
        }
    }
}

impl<T> Trie<T> {
    /// Adds an entry; its order is higher than that of all others.
    pub(super) fn insert(&mut self, pattern: &str, entry: Entry<T>) {
        let (token, rest) = split(pattern);
        if token == ">" {
            self.below.push(entry);
            return;
        }
        let next = match token {
            "*" => self.any.get_or_insert_default(),
            _ if self.tokens.contains_key(token) => {
                self.tokens.get_mut(token).expect("it is there")
            }
            _ => self.tokens.entry(token.into()).or_default(),
        };
        match rest {
            Some(rest) => next.insert(rest, entry),
            None => next.here.push(entry),
        }
    }

    /// Takes an entry out, and the branches that are empty without it.
    pub(super) fn remove(&mut self, pattern: &str, order: u64) -> Option<Entry<T>> {
        let (token, rest) = split(pattern);
        if token == ">" {
            return take(&mut self.below, order);
        }
        let next = match token {
            "*" => self.any.as_deref_mut()?,
            _ => self.tokens.get_mut(token)?,
        };
        let removed = match rest {
            Some(rest) => next.remove(rest, order),
            None => take(&mut next.here, order),
        };
        if next.is_empty() {
            match token {
                "*" => self.any = None,
                _ => {
                    self.tokens.remove(token);
                    shrink(&mut self.tokens);
                }
            }
        }
        removed
    }

    /// Adds all entries whose pattern covers the topic, in no order.
    pub(super) fn collect<'t>(&'t self, topic: &str, found: &mut Found<'t, T>) {
        found.extend(&self.below);
        if self.any.is_none() && self.tokens.is_empty() {
            return;
        }
        let (token, rest) = split(topic);
        let mut go_on = |next: &'t Trie<T>| match rest {
            Some(rest) => next.collect(rest, found),
            None => found.extend(&next.here),
        };
        if let Some(any) = &self.any {
            go_on(any);
        }
        if !self.tokens.is_empty()
            && let Some(next) = self.tokens.get(token)
        {
            go_on(next);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
            && self.any.is_none()
            && self.here.is_empty()
            && self.below.is_empty()
    }
}

/// Gives memory back when most of it is unused.
pub(super) fn shrink<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V, TokenHash>) {
    if map.capacity() > 8 && map.len() * 4 < map.capacity() {
        map.shrink_to(map.len() * 2);
    }
}

/// Takes the entry with that order out of a list in order.
pub(super) fn take<T>(entries: &mut Vec<Entry<T>>, order: u64) -> Option<Entry<T>> {
    let at = entries
        .binary_search_by_key(&order, |entry| entry.order)
        .ok()?;
    let entry = entries.remove(at);
    if entries.len() * 4 < entries.capacity() {
        entries.shrink_to(entries.len() * 2);
    }
    Some(entry)
}

/// The first token, and what follows its dot.
#[inline]
fn split(text: &str) -> (&str, Option<&str>) {
    // Tokens are short: looking for the dot byte by byte is quicker than a search that prepares itself.
    match text.bytes().position(|byte| byte == b'.') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}
