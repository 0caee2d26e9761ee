//! Stacks that are looked up when they are read.

use std::backtrace::Backtrace;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The stack of a call, if one was kept.
pub(super) struct Stack(Mutex<State>);

enum State {
    None,
    /// Addresses only.
    Captured(Backtrace),
    /// Functions and lines.
    Text(Box<str>),
}

impl Stack {
    pub(super) fn none() -> Self {
        Stack(Mutex::new(State::None))
    }

    /// The stack of this thread.
    pub(super) fn capture() -> Self {
        Stack(Mutex::new(State::Captured(Backtrace::force_capture())))
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

    /// Functions and lines, at most so much of it. What a lookup takes in memory goes with it.
    pub(super) fn text(&self, max_bytes: usize) -> Option<String> {
        let mut state = self.state();
        if let State::Captured(stack) = &*state {
            let mut text = stack.to_string();
            if text.len() > max_bytes {
                let at = (0..=max_bytes).rev().find(|at| text.is_char_boundary(*at));
                text.truncate(at.unwrap_or_default());
            }
            *state = State::Text(text.into());
        }
        match &*state {
            State::Text(text) => Some(text.to_string()),
            _ => None,
        }
    }
}
