//! What the specification says of a call with faulty hooks, written from its text (*Failure is a vote*) and from
//! nothing else.

use hookpoint::Phase;
use hookpoint::test::Fault;

use super::calls::Got;
use super::{Faulty, LATE, Policy, SLOW, Site};

impl Faulty {
    /// Whether it fails in its first call there.
    pub(super) fn fails(self, site: Site) -> bool {
        match self.fault {
            // Slow is not late.
            SLOW => false,
            // An asynchronous hook is polled once where the site does not wait; where it does, it may take its time.
            Fault::PendOnce => !site.waits(),
            _ => true,
        }
    }

    /// Whether there is a value that it can change: not where hooks may only watch (but for the copies that a hook in
    /// Shadow mode gets), and not before a stream, whose arguments the call that made it has consumed.
    fn can_change(self, site: Site) -> bool {
        match site {
            Site::Watched => self.policy == Policy::Shadow,
            Site::Stream => self.phase == Phase::Post,
            Site::Sync | Site::Async | Site::Parking => true,
        }
    }

    /// The kind of that failure. An answer that cannot take effect at all is one that is not possible, whatever
    /// else is wrong with it.
    fn kind(self, site: Site) -> &'static str {
        if self.role.is_condition() {
            return "condition";
        }
        match self.fault {
            Fault::ErrorAtEnd if !self.can_change(site) => "arg",
            Fault::Error | Fault::ErrorAtEnd => "other",
            Fault::MissingArgument | Fault::MistypedArgument => "arg",
            Fault::Hang if site.waits() => "timeout",
            Fault::Hang | Fault::PendOnce => "would_block",
            LATE => "timeout",
            Fault::WrongReplacement if site != Site::Watched => "replacement",
            Fault::WrongReplacement | Fault::Impossible => "unsupported",
            _ => "panicked",
        }
    }

    /// The failure that a record shows; `None`: nothing is said about it.
    pub(super) fn recorded(self, site: Site) -> Option<Option<&'static str>> {
        if self.policy == Policy::Shadow && self.fault == Fault::WrongReplacement {
            // It never becomes a value, so nobody finds out; at a site that takes none it is not even an answer.
            return None;
        }
        if site == Site::Stream && self.fault == Fault::WrongReplacement && self.phase == Phase::Pre
        {
            return None;
        }
        Some(self.fails(site).then(|| self.kind(site)))
    }

    /// Whether its failure is a vote against the call. "Default: everything else `Closed` in Pre and Post, `Open` in
    /// Error." "A hook that failed after changing a value is Closed whatever it declared." Shadow "never counts".
    pub(super) fn is_closed(self, site: Site) -> bool {
        let changed = self.fault == Fault::ErrorAtEnd && self.can_change(site);
        match self.policy {
            Policy::Shadow => false,
            Policy::Closed => true,
            Policy::Open => changed,
            Policy::Default | Policy::Once | Policy::Required | Policy::Breaker => {
                self.phase != Phase::Error
            }
        }
    }

    /// Whether its failure in the first call opens its breaker. "A breaker of a Closed hook trips on errors and
    /// panics, never on slowness"; what a call lacks, or its site, is not the hook's failure.
    pub(super) fn opens_its_breaker(self, site: Site) -> bool {
        let its_own = match self.fault {
            Fault::MissingArgument | Fault::MistypedArgument => false,
            Fault::ErrorAtEnd => self.can_change(site),
            Fault::Hang | Fault::PendOnce if !site.waits() => false,
            Fault::Hang | Fault::Late(_) => !self.is_closed(site),
            _ => true,
        };
        self.policy == Policy::Breaker && self.fails(site) && its_own
    }

    /// Whether it is part of a call whose body does so.
    fn takes_part(self, body_fails: bool) -> bool {
        match self.phase {
            Phase::Pre => true,
            Phase::Error => body_fails,
            _ => !body_fails,
        }
    }
}

/// What the caller gets.
fn verdict(site: Site, body_fails: bool, refuses: impl Fn(Phase) -> bool) -> Got {
    let refused = |phase| site != Site::Watched && refuses(phase);
    let after = if body_fails {
        Phase::Error
    } else {
        Phase::Post
    };
    match () {
        () if refused(Phase::Pre) => Got::Refused { executed: false },
        () if refused(after) => Got::Refused { executed: true },
        () if body_fails => Got::Error,
        () => Got::Value,
    }
}

/// What the first call comes to.
pub(super) fn first(site: Site, body_fails: bool, hooks: &[Faulty]) -> Got {
    verdict(site, body_fails, |phase| {
        let against = |hook: &Faulty| hook.fails(site) && hook.is_closed(site);
        hooks.iter().filter(|h| h.phase == phase).any(against)
    })
}

/// What the second call comes to: the hooks are healthy now, but for those that were not asked before, and those that
/// a breaker keeps from being asked.
pub(super) fn second(site: Site, body_fails: bool, hooks: &[Faulty]) -> Got {
    let reached = reached(site, body_fails, hooks);
    verdict(site, body_fails, |phase| {
        let against = |hook: &Faulty| {
            let fails = if reached(hook) {
                hook.opens_its_breaker(site) && is_carried_out(site, hooks, hook)
            } else {
                hook.fails(site)
            };
            fails && hook.is_closed(site)
        };
        hooks.iter().filter(|h| h.phase == phase).any(against)
    })
}

/// Whether it is found out that a replacement after the body is of another type: not if other intercepts refuse,
/// because "All are asked first; then Cancel/Halt, else Retry, else Replace".
fn is_carried_out(site: Site, hooks: &[Faulty], hook: &Faulty) -> bool {
    let refuses = |other: &Faulty| {
        other.phase == hook.phase
            && other.fault != Fault::WrongReplacement
            && !other.role.is_guard()
            && other.fails(site)
            && other.is_closed(site)
    };
    hook.fault != Fault::WrongReplacement || hook.phase == Phase::Pre || !hooks.iter().any(refuses)
}

/// Which hooks were asked in the first call.
pub(super) fn reached(
    site: Site,
    body_fails: bool,
    hooks: &[Faulty],
) -> impl Fn(&Faulty) -> bool + use<> {
    let refused = first(site, body_fails, hooks) == Got::Refused { executed: false };
    move |hook| hook.phase == Phase::Pre || (!refused && hook.takes_part(body_fails))
}

/// How many refusals of the first call have no force: never silent.
pub(super) fn without_force(site: Site, body_fails: bool, hooks: &[Faulty]) -> usize {
    let reached = reached(site, body_fails, hooks);
    let hooks = hooks.iter().filter(|hook| reached(hook));
    let against = hooks.filter(|hook| hook.fails(site) && hook.is_closed(site));
    if site == Site::Watched {
        against.count()
    } else {
        0
    }
}

/// Who is asked beside the faulty hooks, in order: everyone, in every phase that the call comes to.
pub(super) fn healthy(got: Got, body_fails: bool) -> Vec<&'static str> {
    let mut asked = vec!["a pre", "z pre", "a votes pre", "z votes pre"];
    if got == (Got::Refused { executed: false }) {
        return asked;
    }
    asked.push("body");
    asked.extend(if body_fails {
        &["z error", "a error"][..]
    } else {
        &["z post", "a post", "a votes post", "z votes post"]
    });
    asked
}
