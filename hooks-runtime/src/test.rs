//! The kit for testing hooks: an isolated registry, calls that decide without running anything, records of
//! real calls, a clock that stands still, approvers and faults on demand. Feature `test`.
//!
//! ```
//! use hooks_runtime::{HookMetadata, PreparedHook, Vote};
//!
//! fn no_etc() -> PreparedHook {
//!     PreparedHook::guard(HookMetadata::new("no-etc").point("tool.execute"), |cx| {
//!         let path: &String = cx.arg("path")?;
//!         Ok(Vote::cancel_if(path.starts_with("/etc"), "outside the workspace"))
//!     })
//! }
//!
//! let t = hooks_runtime::test::registry();
//! t.add(no_etc());
//! let v = t.call("tool.execute").arg("path", "/etc/passwd".to_owned()).decide();
//! v.assert_refused_by("no-etc").assert_reason_contains("workspace");
//! t.call("tool.execute").arg("path", "src".to_owned()).decide().assert_passed();
//! ```

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::approve::ApprovalRequest;
use crate::clock::Clock;
use crate::record::{ArgLevel, DecisionRecord};
use crate::registry::{HookGuard, HookRegistry, PreparedHook};
use crate::scope::{Entered, HookScope};
use crate::sink::{Signal, Sink, Wants};

mod approver;
mod call;
mod fault;

pub use approver::Scripted;
pub use call::{Decision, FakeCall};
pub use fault::Fault;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An isolated registry with a clock that stands still and a memory of every call.
///
/// Tests that use one each do not see each other, also when they run on parallel threads of one process.
pub fn registry() -> TestRegistry {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    registry.allow_unmatched();
    let memory = Arc::new(Memory::default());
    registry.add_sink(memory.clone());
    let scope = HookScope::isolated(&registry);
    TestRegistry {
        registry,
        scope,
        clock,
        memory,
        guards: Mutex::default(),
    }
}

/// See [`registry`]. It derefs to its [`HookRegistry`].
pub struct TestRegistry {
    registry: HookRegistry,
    scope: HookScope,
    clock: Clock,
    memory: Arc<Memory>,
    guards: Mutex<Vec<HookGuard>>,
}

impl Deref for TestRegistry {
    type Target = HookRegistry;
    fn deref(&self) -> &HookRegistry {
        &self.registry
    }
}

impl TestRegistry {
    /// Registers a hook for as long as the kit lives.
    ///
    /// # Panics
    /// If the registration is refused; the message says why.
    #[track_caller]
    pub fn add(&self, hook: PreparedHook) {
        match self.registry.replace(&[], vec![hook]) {
            Ok(guards) => lock(&self.guards).extend(guards),
            Err(error) => panic!("the hook was not registered: {error}"),
        }
    }

    /// A call that is decided and never made: no site, no body.
    pub fn call(&self, point: &str) -> FakeCall<'_> {
        FakeCall::new(self, point)
    }

    /// Hooked functions that this thread calls use this registry until the guard is dropped.
    pub fn enter(&self) -> Entered<'_> {
        self.scope.enter()
    }

    /// Hooked functions that the future calls use this registry.
    pub fn wrap<F: Future>(&self, future: F) -> crate::scope::Scoped<F> {
        self.scope.wrap(future)
    }

    /// The clock that the registry goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The records of all calls that are done, in the order in which they ended.
    pub fn records(&self) -> Vec<DecisionRecord<'static>> {
        lock(&self.memory.records).clone()
    }

    /// The record of the last call at a point.
    ///
    /// # Panics
    /// If there was none; the message lists the points of the calls that there were.
    #[track_caller]
    pub fn last(&self, point: &str) -> DecisionRecord<'static> {
        let records = self.records();
        let found = records.iter().rev().find(|r| r.point() == point).cloned();
        let points: Vec<_> = records.iter().map(DecisionRecord::point).collect();
        found.unwrap_or_else(|| panic!("no call at `{point}` was recorded; there were: {points:?}"))
    }

    /// Violations so far, as `kind hook`.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.memory.violations).clone()
    }

    /// From now on nothing is recorded: calls take the short ways that they take in a program whose calls nobody
    /// records.
    pub fn stop_recording(&self) {
        let memory: Arc<dyn Sink> = self.memory.clone();
        self.registry.remove_sink(&memory);
    }

    /// Forgets records, violations and requests for approval.
    pub fn forget(&self) {
        lock(&self.memory.requests).clear();
        lock(&self.memory.records).clear();
        lock(&self.memory.violations).clear();
    }
}

#[derive(Default)]
struct Memory {
    records: Mutex<Vec<DecisionRecord<'static>>>,
    violations: Mutex<Vec<String>>,
    requests: Mutex<Vec<ApprovalRequest>>,
}

impl Sink for Memory {
    fn wants(&self) -> Wants {
        Wants::always().args(ArgLevel::Full)
    }
    fn record(&self, record: &DecisionRecord) {
        lock(&self.records).push(record.to_owned());
    }
    fn signal(&self, signal: &Signal<'_>) {
        if let Signal::Violation { kind, hook, .. } = signal {
            lock(&self.violations).push(format!("{kind} {hook}"));
        }
    }
}
