//! Faulty hooks among healthy ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hookpoint::breaker::BreakerPolicy;
use hookpoint::test::{Fault, TestRegistry, registry};
use hookpoint::{GuardContext, HookContext, HookError, HookResult, OnFailure, Phase, Vote};

use super::calls::{Got, Order, Seen, panic_with};
use super::{Faulty, LIMIT, Policy, Role, Site};
use crate::sites::{Out, quiet};

/// Longer than the time that passes while a hook hangs.
const CENTURIES: Duration = Duration::from_secs(1 << 35);

/// A registry with faulty hooks among healthy ones.
pub(super) struct Fixture {
    pub(super) kit: TestRegistry,
    site: Site,
    /// Whether a hook hangs in the next call.
    hangs: AtomicBool,
    pub(super) seen: Arc<Seen>,
    /// How many values hooks kept for a call, and how many of them are gone.
    kept: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Fixture {
    /// The hooks are `faulty-0`, `faulty-1`, …
    pub(super) fn new(site: Site, hooks: &[Faulty], recorded: bool) -> Fixture {
        quiet();
        let fixture = Fixture {
            kit: registry(),
            site,
            hangs: AtomicBool::new(hooks.iter().any(|hook| hook.fault == Fault::Hang)),
            seen: Arc::default(),
            kept: Arc::default(),
            dropped: Arc::default(),
        };
        if !recorded {
            fixture.kit.stop_recording();
        }
        for id in ["a", "z"] {
            fixture.add_healthy(id);
        }
        for (nth, hook) in hooks.iter().enumerate() {
            fixture.add(&format!("faulty-{nth}"), *hook);
        }
        fixture
    }

    fn add_healthy(&self, id: &'static str) {
        let (seen, kept, dropped) = (self.seen.clone(), self.kept.clone(), self.dropped.clone());
        let hook = self.kit.on(id).point("faults.*").pre().post().error();
        let hook = hook.intercept(move |cx| {
            kept.fetch_add(1, Ordering::SeqCst);
            cx.local(Counts(dropped.clone()));
            seen.lock().unwrap().push(said(id, cx.phase(), false));
        });
        hook.unwrap().forget();
        let seen = self.seen.clone();
        let votes = self.kit.on(format!("{id}-votes")).point("faults.*");
        let votes = votes.pre().post().guard(move |cx| {
            seen.lock().unwrap().push(said(id, cx.phase(), true));
            Ok(Vote::Pass)
        });
        votes.unwrap().forget();
    }

    fn add(&self, id: &str, faulty: Faulty) {
        let Faulty {
            role,
            phase,
            policy,
            fault,
        } = faulty;
        let mut hook = self.kit.on(id).point("faults.*").phase(phase);
        // Only then: hooks without a timeout are asked in another way.
        if matches!(fault, Fault::Hang | Fault::PendOnce | Fault::Late(_)) {
            hook = hook.timeout(LIMIT);
        }
        hook = match policy {
            Policy::Default | Policy::Required => hook,
            Policy::Open => hook.on_failure(OnFailure::Open),
            Policy::Closed => hook.on_failure(OnFailure::Closed),
            Policy::Shadow => hook.shadow(),
            Policy::Once => hook.once(),
            Policy::Breaker => hook.breaker(
                BreakerPolicy::default()
                    .failures(1)
                    .open_for(CENTURIES)
                    .max_open(CENTURIES),
            ),
        };
        if role.is_condition() {
            hook = hook.when(failing_condition(fault));
        }
        let changed = AtomicBool::new(fault != Fault::ErrorAtEnd);
        let registered = match role {
            Role::Intercept | Role::InterceptCondition => {
                hook.intercept(move |cx| match is_first(&changed) {
                    true => change(cx),
                    false => Ok(HookResult::Continue),
                })
            }
            Role::InterceptAsync => hook.intercept_async_with(Arc::new(changed), |changed, cx| {
                Box::pin(async move {
                    match is_first(&changed) {
                        true => change(cx),
                        false => Ok(HookResult::Continue),
                    }
                })
            }),
            Role::Guard | Role::GuardCondition => hook.guard(|_| Ok(Vote::Pass)),
            Role::GuardAsync => hook.guard_async(async |_| Ok(Vote::Pass)),
        };
        registered.unwrap().forget();
        if !role.is_condition() {
            self.kit.fail(id, 1..=1, fault);
        }
        if policy == Policy::Required {
            self.kit.require(&[id]).unwrap();
        }
    }

    /// What the caller got, and what happened meanwhile.
    pub(super) fn call(&self, fails: bool) -> (Got, Vec<&'static str>) {
        self.seen.lock().unwrap().clear();
        let order = Order::new(fails, self.seen.clone());
        let _entered = self.kit.enter();
        let hangs = self.hangs.swap(false, Ordering::SeqCst);
        let got = order.place(self.site, self.kit.clock(), hangs);
        let (kept, dropped) = (&self.kept, &self.dropped);
        assert_eq!(
            kept.load(Ordering::SeqCst),
            dropped.load(Ordering::SeqCst),
            "what hooks kept for the call is dropped with it"
        );
        (got, self.seen.lock().unwrap().clone())
    }
}

/// Counts when it is dropped.
struct Counts(Arc<AtomicUsize>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn said(id: &str, phase: Phase, votes: bool) -> &'static str {
    match (id, phase, votes) {
        ("a", Phase::Pre, false) => "a pre",
        ("a", Phase::Post, false) => "a post",
        ("a", _, false) => "a error",
        ("a", Phase::Pre, true) => "a votes pre",
        ("a", _, true) => "a votes post",
        (_, Phase::Pre, false) => "z pre",
        (_, Phase::Post, false) => "z post",
        (_, _, false) => "z error",
        (_, Phase::Pre, true) => "z votes pre",
        (_, _, true) => "z votes post",
    }
}

/// Changes what can be changed in its phase.
fn change(cx: &mut HookContext<'_>) -> Result<HookResult, HookError> {
    match cx.phase() {
        Phase::Pre => cx.arg_mut::<String>("text")?.push('!'),
        _ => cx.result_mut::<Out>()?.text.push('!'),
    }
    Ok(HookResult::Continue)
}

/// Whether it is the first time.
fn is_first(asked: &AtomicBool) -> bool {
    !asked.swap(true, Ordering::SeqCst)
}

/// Fails when it is asked for the first time.
fn failing_condition(
    fault: Fault,
) -> impl Fn(&GuardContext<'_>) -> Result<bool, HookError> + Send + Sync + 'static {
    let failed = AtomicBool::new(false);
    move |cx| {
        if !is_first(&failed) {
            return Ok(true);
        }
        match fault {
            Fault::Error => Err("injected error".into()),
            Fault::MissingArgument => Ok(cx.arg::<u8>("no_such_argument")? > &0),
            Fault::MistypedArgument => Ok(cx.arg_at::<u8>(0)? > &0),
            fault => panic_with(fault),
        }
    }
}
