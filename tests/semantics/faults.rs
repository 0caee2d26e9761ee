//! Every fault that a hook can have, in every role, phase, policy and site: what the call comes to is as the
//! specification says, and nobody else notices.

mod approvers;
mod breakers;
mod calls;
mod expected;
mod fixture;
mod mixed;
mod plans;
mod table;
mod threads;
mod watchers;

use std::time::Duration;

use hookpoint::Phase;
use hookpoint::test::Fault;

/// After that long hooks that set a timeout are late.
const LIMIT: Duration = Duration::from_secs(10);
const LATE: Fault = Fault::Late(Duration::from_secs(11));
const SLOW: Fault = Fault::Late(Duration::from_secs(5));

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Intercept,
    InterceptAsync,
    Guard,
    GuardAsync,
    /// The condition of an intercept.
    InterceptCondition,
    /// The condition of a guard.
    GuardCondition,
}

impl Role {
    const ALL: [Role; 6] = [
        Role::Intercept,
        Role::InterceptAsync,
        Role::Guard,
        Role::GuardAsync,
        Role::InterceptCondition,
        Role::GuardCondition,
    ];

    fn is_async(self) -> bool {
        matches!(self, Role::InterceptAsync | Role::GuardAsync)
    }
    fn is_guard(self) -> bool {
        matches!(self, Role::Guard | Role::GuardAsync | Role::GuardCondition)
    }
    fn is_condition(self) -> bool {
        matches!(self, Role::InterceptCondition | Role::GuardCondition)
    }
}

/// What the author, or the configuration, says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Default,
    Open,
    Closed,
    Shadow,
    Once,
    Required,
    /// With a breaker that opens at the first failure.
    Breaker,
}

impl Policy {
    const ALL: [Policy; 7] = [
        Policy::Default,
        Policy::Open,
        Policy::Closed,
        Policy::Shadow,
        Policy::Once,
        Policy::Required,
        Policy::Breaker,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    Sync,
    Async,
    /// Synchronous, and waits for asynchronous hooks.
    Parking,
    /// Synchronous, and can only be watched.
    Watched,
    /// Gives one item.
    Stream,
}

impl Site {
    const ALL: [Site; 5] = [
        Site::Sync,
        Site::Async,
        Site::Parking,
        Site::Watched,
        Site::Stream,
    ];

    /// Whether an asynchronous hook may take its time there.
    fn waits(self) -> bool {
        !matches!(self, Site::Sync | Site::Watched)
    }
}

const PHASES: [Phase; 3] = [Phase::Pre, Phase::Post, Phase::Error];

const FAULTS: [Fault; 13] = [
    Fault::Error,
    Fault::ErrorAtEnd,
    Fault::MissingArgument,
    Fault::MistypedArgument,
    Fault::Panic,
    Fault::PanicWithString,
    Fault::PanicWithValue,
    Fault::PanicThatPanics,
    Fault::Hang,
    Fault::PendOnce,
    LATE,
    SLOW,
    Fault::WrongReplacement,
];

/// A hook that fails in the first call and in no other. With [`Fault::ErrorAtEnd`] it changes a value before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Faulty {
    role: Role,
    phase: Phase,
    policy: Policy,
    fault: Fault,
}

impl Faulty {
    /// Whether there can be such a hook.
    fn exists(self) -> bool {
        let Faulty {
            role, phase, fault, ..
        } = self;
        let fits = match fault {
            Fault::Hang | Fault::PendOnce => role.is_async(),
            // Conditions have no answer, nothing to change, and no timeout of their own.
            Fault::WrongReplacement => !role.is_guard() && !role.is_condition(),
            Fault::Impossible if role.is_guard() => {
                role != Role::GuardCondition && phase != Phase::Pre
            }
            Fault::Impossible => !role.is_condition(),
            Fault::ErrorAtEnd => !role.is_guard() && !role.is_condition() && phase != Phase::Error,
            Fault::Late(_) => !role.is_condition(),
            _ => true,
        };
        fits && !(role.is_guard() && phase == Phase::Error)
    }

    /// Every hook that there can be.
    fn all() -> impl Iterator<Item = Faulty> {
        let faults = FAULTS.into_iter().chain([Fault::Impossible]);
        let with = move |role| {
            let faults = faults.clone();
            PHASES.into_iter().flat_map(move |phase| {
                let faults = faults.clone();
                Policy::ALL.into_iter().flat_map(move |policy| {
                    faults.clone().map(move |fault| Faulty {
                        role,
                        phase,
                        policy,
                        fault,
                    })
                })
            })
        };
        Role::ALL
            .into_iter()
            .flat_map(with)
            .filter(|hook| hook.exists())
    }
}
