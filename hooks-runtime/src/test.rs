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

use std::any::{Any, TypeId, type_name};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::answer::Restriction;
use crate::approve::{Approval, ApprovalRequest, Approver};
use crate::clock::Clock;
use crate::error::HookError;
use crate::hook::{BoxFuture, HookMetadata};
use crate::private::Facts;
use crate::record::{ArgLevel, DecisionRecord};
use crate::registry::{HookGuard, HookRegistry, PreparedHook, rehearsal_site, simulate};
use crate::scope::{Entered, HookScope};
use crate::sink::{Signal, Sink, Wants};
use crate::view::{Access, JSON_TABLE, RawPtr, RawView, ViewTable};

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
        FakeCall {
            kit: self,
            point: point.into(),
            facts: Facts::new(),
            args: Vec::new(),
        }
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

    /// Forgets records and violations.
    pub fn forget(&self) {
        lock(&self.memory.records).clear();
        lock(&self.memory.violations).clear();
    }

    /// Approvals to give, in order; when they are used up, everything is denied.
    pub fn script_approvals(&self, answers: impl IntoIterator<Item = Scripted>) {
        let answers = Mutex::new(answers.into_iter().collect());
        self.registry.set_approver(ScriptedApprover { answers });
    }
}

#[derive(Default)]
struct Memory {
    records: Mutex<Vec<DecisionRecord<'static>>>,
    violations: Mutex<Vec<String>>,
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

/// One answer of the scripted approver.
#[derive(Clone, Debug)]
pub enum Scripted {
    /// Allow the call that is asked about.
    Allow,
    /// Deny it.
    Deny(String),
    /// Allow it with other arguments.
    Edit(Vec<(String, Value)>),
    /// Never answer.
    Silence,
}

struct ScriptedApprover {
    answers: Mutex<VecDeque<Scripted>>,
}

impl Approver for ScriptedApprover {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> BoxFuture<'a, Result<Approval, HookError>> {
        let answer = lock(&self.answers).pop_front();
        let answer = match answer {
            Some(Scripted::Allow) => request.allow(),
            Some(Scripted::Deny(reason)) => request.deny(reason),
            Some(Scripted::Edit(args)) => Approval::Edit { args },
            Some(Scripted::Silence) => return Box::pin(std::future::pending()),
            None => request.deny("no scripted answer is left"),
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// A hook that fails in a chosen way, to see what its `on_failure` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It returns an error.
    Error,
    /// It panics.
    Panic,
    /// It asks for an argument that no site has.
    MissingArgument,
    /// It answers after its timeout; the kit's clock moves on by that much.
    Late(Duration),
}

impl TestRegistry {
    /// Registers an intercept with that fault.
    ///
    /// # Panics
    /// If the registration is refused.
    #[track_caller]
    pub fn inject(&self, meta: HookMetadata, fault: Fault) {
        let clock = self.clock.clone();
        self.add(PreparedHook::intercept(
            meta,
            move |cx| -> Result<(), HookError> {
                match fault {
                    Fault::Error => Err("injected error".into()),
                    Fault::Panic => panic!("injected panic"),
                    Fault::MissingArgument => cx
                        .arg::<String>("no_such_argument")
                        .map(drop)
                        .map_err(Into::into),
                    Fault::Late(by) => {
                        clock.advance(by);
                        Ok(())
                    }
                }
            },
        ));
    }
}

/// A call in the making, see [`TestRegistry::call`].
#[must_use = "nothing is decided before `.decide()`"]
pub struct FakeCall<'t> {
    kit: &'t TestRegistry,
    point: Box<str>,
    facts: Facts,
    args: Vec<(String, FakeValue)>,
}

struct FakeValue {
    value: Box<dyn Any + Send>,
    table: &'static ViewTable,
}

struct TableOf<T>(PhantomData<T>);

impl<T: Any + Send> TableOf<T> {
    const TYPED: &'static ViewTable = &ViewTable {
        type_name: type_name::<T>,
        type_id: Some(TypeId::of::<T>),
        to_json: None,
        set_json: None,
        debug: None,
        clone: None,
    };
}

impl FakeCall<'_> {
    /// An argument of any type. One of type [`Value`] can be read and set as JSON too.
    pub fn arg<T: Any + Send>(mut self, name: &str, value: T) -> Self {
        let is_json = TypeId::of::<T>() == TypeId::of::<Value>();
        let table = if is_json {
            &JSON_TABLE
        } else {
            TableOf::<T>::TYPED
        };
        self.args.push((
            name.into(),
            FakeValue {
                value: Box::new(value),
                table,
            },
        ));
        self
    }

    /// The component that is called.
    pub fn component(mut self, name: &str) -> Self {
        self.facts = self.facts.component(name);
        self
    }

    /// An extra fact (`fields(…)`).
    pub fn field(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.facts = self.facts.field(name, value.into());
        self
    }

    /// Asks the intercepts and guards before the body, and joins what they say. Nothing is carried out.
    pub fn decide(self) -> Decision {
        let names: Vec<String> = self.args.iter().map(|(name, _)| name.clone()).collect();
        let mut values: Vec<FakeValue> = self.args.into_iter().map(|(_, value)| value).collect();
        let mut views: Vec<RawView> = values.iter_mut().map(FakeValue::view).collect();
        let info = rehearsal_site(&self.point, &names);
        let (record, restriction) =
            simulate(&self.kit.registry, info, self.facts, &mut views, false);
        let args = names
            .into_iter()
            .zip(values.into_iter().map(|v| v.value))
            .collect();
        Decision {
            record,
            restriction,
            args,
        }
    }
}

impl FakeValue {
    fn view(&mut self) -> RawView {
        let pointer = (&raw mut *self.value).cast::<()>();
        // SAFETY: the table is the one of the boxed value's type, chosen where the box was made; the views
        // are dropped before the values are looked at again; the value is `Send`.
        unsafe { RawView::new(RawPtr::new(pointer), self.table, Access::Write, true) }
    }
}

/// What hooks decided about a [`FakeCall`].
#[derive(Debug)]
pub struct Decision {
    record: DecisionRecord<'static>,
    restriction: Restriction,
    args: Vec<(String, Box<dyn Any + Send>)>,
}

impl Decision {
    /// Everything that was said.
    pub fn record(&self) -> &DecisionRecord<'static> {
        &self.record
    }

    /// An argument as the hooks left it.
    ///
    /// # Panics
    /// If there is none of that name and type.
    #[track_caller]
    pub fn arg<T: Any>(&self, name: &str) -> &T {
        let found = self
            .args
            .iter()
            .find(|(n, _)| n == name)
            .and_then(|(_, value)| value.downcast_ref());
        found.unwrap_or_else(|| panic!("no argument `{name}` of type {}", type_name::<T>()))
    }

    /// # Panics
    /// If somebody objected.
    #[track_caller]
    pub fn assert_passed(&self) -> &Self {
        assert!(
            self.restriction == Restriction::None,
            "expected the call to pass{}",
            self.shown()
        );
        self
    }

    /// # Panics
    /// If the call passed, or another hook's objection counted most.
    #[track_caller]
    pub fn assert_refused_by(&self, hook: &str) -> &Self {
        let by = self.record.refusal().map(|r| r.hook());
        assert!(
            by == Some(hook),
            "expected a refusal by `{hook}`, got {by:?}{}",
            self.shown()
        );
        self
    }

    /// # Panics
    /// If the call passed, or the reason does not contain the text.
    #[track_caller]
    pub fn assert_reason_contains(&self, text: &str) -> &Self {
        let reason = self
            .record
            .refusal()
            .map(|r| r.reason())
            .unwrap_or_default();
        assert!(
            reason.contains(text),
            "expected a reason with {text:?}, got {reason:?}{}",
            self.shown()
        );
        self
    }

    /// # Panics
    /// If another plan counts: `run`, `replace`, `cache`, `redirect`.
    #[track_caller]
    pub fn assert_plan(&self, plan: &str) -> &Self {
        assert!(
            self.record.plan() == plan,
            "expected plan `{plan}`, got `{}`{}",
            self.record.plan(),
            self.shown()
        );
        self
    }

    fn shown(&self) -> String {
        let json = serde_json::to_string_pretty(&self.record.to_json()).unwrap_or_default();
        format!("; the record:\n{json}")
    }
}
