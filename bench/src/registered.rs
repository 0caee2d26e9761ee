//! Hooks that do nothing, registered as a program would.

use std::hint::black_box;

use hookpoint::breaker::BreakerPolicy;
use hookpoint::prelude::*;

/// Registered hooks; they go when it is dropped.
pub type Registered = Result<Vec<HookGuard>, HookError>;

/// `count` intercepts, each asked before and after the body.
///
/// # Errors
/// The point has hooks of this kind already.
pub fn no_ops(point: &str, count: usize) -> Registered {
    let intercept = |n| {
        let hook = hooks().on(format!("{point}.no-op-{n}")).point(point);
        hook.pre().post().intercept(|cx| {
            black_box(cx);
        })
    };
    (0..count).map(intercept).collect()
}

/// As [`no_ops`], each with a breaker.
///
/// # Errors
/// The point has hooks of this kind already.
pub fn watched(point: &str, count: usize) -> Registered {
    let intercept = |n| {
        let hook = hooks().on(format!("{point}.watched-{n}")).point(point);
        let hook = hook.breaker(BreakerPolicy::default());
        hook.pre().post().intercept(|cx| {
            black_box(cx);
        })
    };
    (0..count).map(intercept).collect()
}

/// `count` of each role: an intercept before and after the body, a guard, an observer.
///
/// # Errors
/// The point has hooks of this kind already.
pub fn all_roles(point: &str, count: usize) -> Registered {
    let mut registered = no_ops(point, count)?;
    for n in 0..count {
        registered.push(hooks().guard(format!("{point}.guard-{n}"), point, |cx| {
            black_box(cx);
            Ok(Vote::Pass)
        })?);
        registered.push(
            hooks().observe(format!("{point}.observer-{n}"), point, |record| {
                black_box(record);
            })?,
        );
    }
    Ok(registered)
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::same_body! { #[hooked(point = "bench.registered")] fn site; }

    #[test]
    fn hooks_are_registered_until_they_are_dropped() {
        let roles = || {
            let of_point =
                |h: &hookpoint::HookInfo| h.points.iter().any(|p| &**p == "bench.registered");
            let mut roles: Vec<_> = hooks()
                .list()
                .into_iter()
                .filter(of_point)
                .map(|h| (h.role, h.phases))
                .collect();
            roles.sort_by_key(|(role, _)| format!("{role:?}"));
            roles
        };
        let registered = all_roles("bench.registered", 1).unwrap();
        let expected = [
            (Role::Guard, vec![Phase::Pre]),
            (Role::Intercept, vec![Phase::Pre, Phase::Post]),
            (Role::Observe, vec![Phase::Done]),
        ];
        assert_eq!(roles(), expected);
        assert!(
            site(1, 2, "label").is_ok(),
            "hooks that do nothing refuse nothing"
        );
        drop(registered);
        assert!(roles().is_empty());
    }
}
