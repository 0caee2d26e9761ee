//! Stacks that are looked up when they are read.

use std::backtrace::Backtrace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The stack of a call, if one was kept.
pub(super) struct Stack(Mutex<State>);

enum State {
    None,
    /// Addresses only.
    Captured(Arc<Backtrace>),
    /// Functions and lines.
    Text(Arc<str>),
}

impl Stack {
    pub(super) fn none() -> Self {
        Stack(Mutex::new(State::None))
    }

    /// The stack of this thread.
    pub(super) fn capture() -> Self {
        Stack(Mutex::new(State::Captured(
            Backtrace::force_capture().into(),
        )))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_there(&self) -> bool {
        !matches!(*self.state(), State::None)
    }

    /// Forgets it.
    pub(super) fn clear(&self) {
        let before = std::mem::replace(&mut *self.state(), State::None);
        drop(before);
    }

    /// Functions and lines, at most so much of it. They are looked up when no lock is held, because that takes a
    /// while, and a call may want to forget the stack meanwhile; what the lookup takes in memory goes with it.
    pub(super) fn text(&self, max_bytes: usize) -> Option<String> {
        let captured = match &*self.state() {
            State::None => return None,
            State::Text(text) => return Some(text.to_string()),
            State::Captured(stack) => stack.clone(),
        };
        let mut text = captured.to_string();
        text.truncate(text.floor_char_boundary(max_bytes));
        let mut state = self.state();
        if matches!(*state, State::Captured(_)) {
            *state = State::Text(text.as_str().into());
        }
        drop(state);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_that_is_being_read_can_be_forgotten_and_stays_so() {
        let stack = Stack::capture();
        std::thread::scope(|threads| {
            let readers: Vec<_> = (0..4).map(|_| threads.spawn(|| stack.text(4096))).collect();
            stack.clear();
            for reader in readers {
                let text = reader.join().expect("it reads");
                assert!(text.is_none_or(|text| text.len() <= 4096 && !text.is_empty()));
            }
        });
        assert!(!stack.is_there() && stack.text(4096).is_none());
    }

    #[test]
    fn a_text_is_cut_between_characters_and_stays() {
        let stack = Stack::capture();
        let text = stack.text(100).expect("it was captured");
        assert!(text.len() <= 100 && !text.is_empty());
        assert_eq!(stack.text(100), Some(text));
    }
}
