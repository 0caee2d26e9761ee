//! One faulty hook at a time: the whole table.

use hookpoint::Phase;
use hookpoint::breaker::BreakerState;

use super::calls::Got;
use super::expected::{first, healthy, reached, second, without_force};
use super::fixture::Fixture;
use super::{Faulty, Policy, Site};

const ID: &str = "faulty-0";

/// What differs from the specification, in words.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, actual: T, expected: T) {
        if actual != expected {
            self.0
                .push(format!("{what}: expected {expected:?}, got {actual:?}"));
        }
    }
}

fn point(site: Site) -> &'static str {
    match site {
        Site::Sync => "faults.sync",
        Site::Async => "faults.async",
        Site::Parking => "faults.parking",
        Site::Watched => "faults.watched",
        Site::Stream => "faults.stream",
    }
}

/// Makes two calls with that hook.
fn run(site: Site, hook: Faulty, recorded: bool) -> Vec<String> {
    let fixture = Fixture::new(site, &[hook], recorded);
    let (kit, body_fails) = (&fixture.kit, hook.phase == Phase::Error);
    let mut differences = Differences::default();
    let expected = first(site, body_fails, &[hook]);
    let (got, seen) = fixture.call(body_fails);
    differences.check("first call", got, expected);
    differences.check("asked", seen, healthy(got, body_fails));
    let listed = |id: &str| kit.list().into_iter().find(|hook| &*hook.id == id);
    if recorded {
        let record = kit.last(point(site));
        let said = record.hooks().iter().filter(|said| &*said.hook == ID);
        let errors: Vec<_> = said.filter_map(|said| said.error).collect();
        if let Some(error) = hook.recorded(site) {
            differences.check("failure", errors, error.into_iter().collect());
        }
        let told = kit.violations();
        let without_force = without_force(site, body_fails, &[hook]);
        let expected = vec![format!("unenforceable {ID}"); without_force];
        differences.check("violations", told, expected);
    }
    if hook.policy == Policy::Breaker {
        let state = listed(ID).and_then(|hook| hook.breaker);
        let expected = if hook.opens_its_breaker(site) {
            BreakerState::Open
        } else {
            BreakerState::Closed
        };
        differences.check("breaker", state, Some(expected));
    }
    if hook.policy == Policy::Once {
        // A condition that fails is asked before the hook is claimed.
        let stays = hook.role.is_condition();
        differences.check("registered", listed(ID).is_some(), stays);
    }
    let expected = second(site, body_fails, &[hook]);
    let (got, seen) = fixture.call(body_fails);
    differences.check("second call", got, expected);
    differences.check("asked then", seen, healthy(got, body_fails));
    if hook.policy == Policy::Once {
        differences.check("registered then", listed(ID).is_some(), false);
    }
    assert!(reached(site, body_fails, &[hook])(&hook));
    differences.0
}

#[test]
fn every_fault_in_every_role_phase_policy_and_site_is_what_the_specification_says() {
    let mut differences = Vec::new();
    let mut rows = 0;
    for site in Site::ALL {
        for hook in Faulty::all() {
            for recorded in [true, false] {
                rows += 1;
                let of_row = run(site, hook, recorded).into_iter();
                differences
                    .extend(of_row.map(|what| format!("{site:?} {hook:?} {recorded}: {what}")));
            }
        }
    }
    assert!(rows > 8_000, "only {rows} rows");
    assert!(
        differences.is_empty(),
        "{} cells of {rows} rows differ, among them:\n{}",
        differences.len(),
        differences[..differences.len().min(60)].join("\n")
    );
}

/// The oracle knows refusals before and after the body, passes and errors: none is expected of every row.
#[test]
fn the_table_has_every_verdict() {
    let all = [
        Got::Value,
        Got::Error,
        Got::Refused { executed: false },
        Got::Refused { executed: true },
    ];
    for verdict in all {
        let found = Faulty::all()
            .filter(|hook| first(Site::Sync, hook.phase == Phase::Error, &[*hook]) == verdict);
        assert!(found.count() > 20, "{verdict:?}");
    }
}
