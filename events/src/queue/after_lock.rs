//! What is done after a lock is released.

/// Values that are used or dropped when the lock is no longer held, because that runs code of others: a waker, or
/// the destructor of a payload. One of them needs no memory.
pub(super) struct AfterLock<T> {
    first: Option<T>,
    more: Vec<T>,
}

impl<T> Default for AfterLock<T> {
    fn default() -> Self {
        AfterLock {
            first: None,
            more: Vec::new(),
        }
    }
}

impl<T> AfterLock<T> {
    #[inline]
    pub(super) fn add(&mut self, value: Option<T>) {
        if let Some(value) = value {
            match self.first {
                None => self.first = Some(value),
                Some(_) => self.more.push(value),
            }
        }
    }

    #[inline]
    pub(super) fn each(self, act: impl Fn(T)) {
        if let Some(first) = self.first {
            act(first);
            self.more.into_iter().for_each(act);
        }
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn nothing_is_left_out_and_the_order_is_kept() {
        let mut later = AfterLock::default();
        for value in [Some(1), None, Some(2), Some(3)] {
            later.add(value);
        }
        let seen = RefCell::new(Vec::new());
        later.each(|value| seen.borrow_mut().push(value));
        assert_eq!(seen.into_inner(), [1, 2, 3]);
    }
}
