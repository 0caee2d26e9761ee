//! Panics of what is not ours: hooks, observers, sinks, handlers, and what they kept.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs it; `Err`: it panicked, with that text.
///
/// ```
/// use hooks_runtime::panic::caught;
/// assert_eq!(caught(|| 7), Ok(7));
/// assert_eq!(caught(|| -> u8 { panic!("no") }), Err("no".into()));
/// ```
///
/// What it may have left inconsistent is its own. What it panicked with is dropped here, where a panic of that
/// drop goes no further either.
#[inline]
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Box<str>> {
    catch_unwind(AssertUnwindSafe(work)).map_err(message)
}

/// The text of a panic.
#[cold]
fn message(payload: Box<dyn Any + Send>) -> Box<str> {
    let text = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => (*text).into(),
        (_, Some(text)) => text.as_str().into(),
        _ => "(no message)".into(),
    };
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // It would go on like this: leaking it is the end of it.
        std::mem::forget(again);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Again;

    impl Drop for Again {
        fn drop(&mut self) {
            std::panic::panic_any(Again);
        }
    }

    #[test]
    fn a_panic_that_panics_when_it_is_dropped_ends_here() {
        let message = caught(|| std::panic::panic_any(Again)).unwrap_err();
        assert_eq!(&*message, "(no message)");
    }

    #[test]
    fn the_text_is_told() {
        assert_eq!(&*caught(|| panic!("as written")).unwrap_err(), "as written");
        assert_eq!(
            &*caught(|| panic!("made of {}", 2)).unwrap_err(),
            "made of 2"
        );
    }
}
