//! Several faulty hooks at one site, mixed at random.

use hookpoint::test::Fault;
use hookpoint::{Phase, Vote};
use proptest::prelude::*;

use super::calls::Got;
use super::expected::{first, healthy, second};
use super::fixture::Fixture;
use super::{FAULTS, Faulty, PHASES, Policy, Role, Site};

fn faulty() -> impl Strategy<Value = Faulty> {
    let parts = (
        prop::sample::select(&Role::ALL[..]),
        prop::sample::select(&PHASES[..]),
        prop::sample::select(&Policy::ALL[..]),
        prop::sample::select(&FAULTS[..]),
    );
    parts
        .prop_map(|(role, phase, policy, fault)| Faulty {
            role,
            phase,
            policy,
            fault,
        })
        .prop_filter("there is no such hook", |hook| hook.exists())
}

/// Time passes on another thread while a hook hangs there, and others would be late by it.
fn none_hangs(site: Site, hooks: &mut [Faulty]) {
    for hook in hooks {
        if site == Site::Parking && hook.fault == Fault::Hang {
            hook.fault = Fault::Error;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// The verdict is joined of all of them, every healthy hook is asked, and the next call is as if nothing had been.
    #[test]
    fn faulty_hooks_of_all_kinds_do_not_harm_healthy_ones(
        site in prop::sample::select(&Site::ALL[..]),
        mut hooks in prop::collection::vec(faulty(), 1..=6),
        body_fails in any::<bool>(),
        recorded in any::<bool>(),
    ) {
        none_hangs(site, &mut hooks);
        let fixture = Fixture::new(site, &hooks, recorded);
        let (got, seen) = fixture.call(body_fails);
        prop_assert_eq!(got, first(site, body_fails, &hooks));
        prop_assert_eq!(seen, healthy(got, body_fails));
        let (got, seen) = fixture.call(body_fails);
        prop_assert_eq!(got, second(site, body_fails, &hooks));
        prop_assert_eq!(seen, healthy(got, body_fails));
    }

    /// A healthy hook that is against the call refuses it, whatever fails beside it.
    #[test]
    fn a_healthy_refusal_stands(
        site in prop::sample::select(&[Site::Sync, Site::Async, Site::Parking, Site::Stream][..]),
        mut hooks in prop::collection::vec(faulty(), 1..=6),
        late in any::<bool>(),
    ) {
        none_hangs(site, &mut hooks);
        let fixture = Fixture::new(site, &hooks, true);
        let phase = if late { Phase::Post } else { Phase::Pre };
        let against = fixture.kit.on("m").point("faults.*").phase(phase);
        let _against = against.guard(|_| Ok(Vote::cancel("healthy, and against it"))).unwrap();
        let (got, _) = fixture.call(false);
        let before = first(site, false, &hooks) == Got::Refused { executed: false };
        prop_assert_eq!(got, Got::Refused { executed: late && !before });
    }
}
