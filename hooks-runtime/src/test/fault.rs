//! Faults on demand: hooks that are registered fail when a test wants them to.

use std::ops::RangeBounds;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::{TestRegistry, lock};
use crate::answer::HookResult;
use crate::hook::{Callee, Entry, HookMetadata};
use crate::point::Phase;
use crate::registry::PreparedHook;

mod hook;

use hook::Faulty;

/// A way in which a hook fails, see [`TestRegistry::fail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It returns an error, at once.
    Error,
    /// It does what it does, and then returns an error: what it changed stays changed.
    ErrorAtEnd,
    /// It asks for an argument that no site has.
    MissingArgument,
    /// It asks for the first argument as a type that no argument has.
    MistypedArgument,
    /// It panics with a literal.
    Panic,
    /// It panics with a formatted text, which is a `String`.
    PanicWithString,
    /// It panics with something that is no text.
    PanicWithValue,
    /// It panics with something that panics when it is dropped.
    PanicThatPanics,
    /// It never answers. Asynchronous hooks only: a synchronous one would stop the test.
    Hang,
    /// It is not ready when it is asked, and answers when it is asked again. Asynchronous hooks only.
    PendOnce,
    /// The kit's clock moves on by that much, and then it answers: late or not, by its timeout.
    Late(Duration),
    /// It answers with a replacement of a type that no site returns. Intercepts only.
    WrongReplacement,
    /// It gives an answer that its phase does not allow: intercepts a retry before the body or a kept answer after
    /// it, guards a grant after the body. For guards before the body there is none.
    Impossible,
}

impl TestRegistry {
    /// Makes a hook that is registered fail when it is asked for the `turns`-th time, counted from 1 and from now
    /// on; a hook of several phases is asked in each. In the other turns it is what it was.
    ///
    /// The hook is replaced by one that is the same but for this: a breaker begins anew, and a `HookGuard` of the
    /// first registration no longer takes it out. It stays registered for as long as the kit lives.
    ///
    /// ```
    /// use hooks_runtime::test::{Fault, registry};
    /// use hooks_runtime::{HookRefusal, Vote, hooked};
    ///
    /// #[hooked(point = "shop.price")]
    /// fn price(item: &str) -> Result<usize, HookRefusal> {
    ///     Ok(item.len())
    /// }
    ///
    /// let t = registry();
    /// let _limit = t.guard("limit", "shop.price", |_| Ok(Vote::Pass))?;
    /// t.fail("limit", 2..=2, Fault::Error);
    /// let _entered = t.enter();
    /// assert_eq!(price("tea").unwrap(), 3);
    /// assert_eq!(price("tea").unwrap_err().hook(), "limit");
    /// assert_eq!(price("tea").unwrap(), 3);
    /// # Ok::<(), hooks_runtime::HookError>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such hook, or none of its role can fail like that; the message says why.
    #[track_caller]
    pub fn fail(&self, id: &str, turns: impl RangeBounds<u64>, fault: Fault) {
        let found = self.registry.inner().entries();
        let entry = found.into_iter().find(|entry| entry.id() == id);
        let entry = entry.unwrap_or_else(|| panic!("{}", self.registry.inner().unknown(id)));
        if let Some(why) = does_not_fit(&entry, fault) {
            panic!("hook `{id}` cannot fail with {fault:?}: {why}");
        }
        let hook = Faulty {
            entry,
            fault,
            turns: (turns.start_bound().cloned(), turns.end_bound().cloned()),
            asked: AtomicU64::new(0),
            clock: self.clock.clone(),
        };
        match self.registry.replace(&[id], vec![hook.prepared()]) {
            Ok(guards) => lock(&self.guards).extend(guards),
            Err(error) => panic!("hook `{id}` was not replaced: {error}"),
        }
    }

    /// Registers an intercept that always fails like that.
    ///
    /// # Panics
    /// If the registration is refused, or as [`TestRegistry::fail`].
    #[track_caller]
    pub fn inject(&self, meta: HookMetadata, fault: Fault) {
        let id = meta.id.clone();
        self.add(PreparedHook::intercept(meta, |_| HookResult::Continue));
        self.fail(&id, .., fault);
    }
}

/// Why no such hook can fail like that.
fn does_not_fit(entry: &Entry, fault: Fault) -> Option<&'static str> {
    let pends = matches!(fault, Fault::Hang | Fault::PendOnce);
    let panics = matches!(
        fault,
        Fault::Panic | Fault::PanicWithString | Fault::PanicWithValue | Fault::PanicThatPanics
    );
    match &entry.callee {
        Callee::Intercept(_) | Callee::Guard(_) if pends => {
            Some("it is synchronous and can only be late: use `Fault::Late`")
        }
        Callee::Guard(_) | Callee::GuardAsync(_) if fault == Fault::WrongReplacement => {
            Some("a guard replaces nothing")
        }
        Callee::Guard(_) | Callee::GuardAsync(_)
            if fault == Fault::Impossible && entry.phases.has(Phase::Pre) =>
        {
            Some("before the body every vote is possible")
        }
        Callee::Observe(_) if !panics && !matches!(fault, Fault::Late(_)) => {
            Some("an observer answers nothing: it can panic or be late")
        }
        _ => None,
    }
}
