//! Hooks found at link time: what plugin crates submit with `inventory`.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::{HookResult, Vote};
use crate::condition::Condition;
use crate::context::{GuardContext, HookContext};
use crate::error::HookError;
use crate::hook::{Answer, BoxFuture, Callee, HookMetadata, OnFailure, Origin, Priority, Source};
use crate::point::Phase;
use crate::record::{ArgLevel, DecisionRecord};
use crate::registry::HookRegistry;

/// A hook that a plugin crate submits; found when the global registry is first used.
///
/// ```
/// use hooks_runtime::{inventory, GuardContext, HookError, HookRegistration, Priority, Vote};
///
/// fn business_hours(_cx: &GuardContext<'_>) -> Result<Vote, HookError> {
///     Ok(Vote::Pass)
/// }
/// inventory::submit! {
///     HookRegistration::new("acme.business-hours", "tool.*").guard(business_hours).priority(Priority::HIGH)
/// }
/// ```
pub struct HookRegistration {
    id: &'static str,
    pattern: &'static str,
    description: &'static str,
    package: Option<(&'static str, &'static str)>,
    location: &'static Location<'static>,
    callee: Function,
    phases: [Option<Phase>; 3],
    priority: Priority,
    before: &'static [&'static str],
    after: &'static [&'static str],
    tags: &'static [&'static str],
    when: Option<Written>,
    on_failure: Option<OnFailure>,
    timeout: Option<Duration>,
    args_after: bool,
    may_retry: bool,
    pure: bool,
    lossy: bool,
    record_args: ArgLevel,
}

/// A condition in a static, and how it is written.
#[derive(Clone, Copy)]
struct Written {
    condition: &'static dyn Condition,
    text: &'static str,
}

impl Condition for Written {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        self.condition.holds(cx)
    }
    fn describe(&self) -> String {
        self.text.into()
    }
}

type InterceptFn = fn(&mut HookContext<'_>) -> Answer;
type InterceptAsyncFn =
    for<'a> fn(&'a mut HookContext<'a>) -> BoxFuture<'a, Result<HookResult, HookError>>;
type GuardFn = fn(&GuardContext<'_>) -> Result<Vote, HookError>;
type GuardAsyncFn = for<'a> fn(&'a mut GuardContext<'a>) -> BoxFuture<'a, Result<Vote, HookError>>;

#[derive(Clone, Copy)]
enum Function {
    None,
    Intercept(InterceptFn),
    InterceptAsync(InterceptAsyncFn),
    Guard(GuardFn),
    GuardAsync(GuardAsyncFn),
    Observe(fn(&DecisionRecord)),
}

inventory::collect!(HookRegistration);

impl HookRegistration {
    /// A hook of that id for a point or pattern. Exactly one of the role methods gives it its code.
    #[track_caller]
    pub const fn new(id: &'static str, pattern: &'static str) -> Self {
        HookRegistration {
            id,
            pattern,
            description: "",
            package: None,
            location: Location::caller(),
            callee: Function::None,
            phases: [None; 3],
            priority: Priority::NORMAL,
            before: &[],
            after: &[],
            tags: &[],
            when: None,
            on_failure: None,
            timeout: None,
            args_after: false,
            may_retry: false,
            pure: false,
            lossy: false,
            record_args: ArgLevel::Names,
        }
    }

    /// It intercepts.
    pub const fn intercept(mut self, hook: InterceptFn) -> Self {
        self.callee = Function::Intercept(hook);
        self
    }
    /// It intercepts, asynchronously.
    pub const fn intercept_async(mut self, hook: InterceptAsyncFn) -> Self {
        self.callee = Function::InterceptAsync(hook);
        self
    }
    /// It guards.
    pub const fn guard(mut self, hook: GuardFn) -> Self {
        self.callee = Function::Guard(hook);
        self
    }
    /// It guards, asynchronously.
    pub const fn guard_async(mut self, hook: GuardAsyncFn) -> Self {
        self.callee = Function::GuardAsync(hook);
        self
    }
    /// It observes.
    pub const fn observe(mut self, hook: fn(&DecisionRecord)) -> Self {
        self.callee = Function::Observe(hook);
        self
    }
    /// The crate and its version: `.package(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))`.
    pub const fn package(mut self, name: &'static str, version: &'static str) -> Self {
        self.package = Some((name, version));
        self
    }
    /// A sentence for lists.
    pub const fn describe(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }
    /// Asks it in that phase; up to three add up. Without any: before the body.
    pub const fn phase(mut self, phase: Phase) -> Self {
        let [first, second, _] = self.phases;
        match (first, second) {
            (None, _) => self.phases[0] = Some(phase),
            (_, None) => self.phases[1] = Some(phase),
            _ => self.phases[2] = Some(phase),
        }
        self
    }
    /// Its place in the order.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }
    /// Runs before the hooks of these ids.
    pub const fn before(mut self, ids: &'static [&'static str]) -> Self {
        self.before = ids;
        self
    }
    /// Runs after the hooks of these ids.
    pub const fn after(mut self, ids: &'static [&'static str]) -> Self {
        self.after = ids;
        self
    }
    /// Labels.
    pub const fn tags(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }
    /// Only if the condition holds, looked at when it is this hook's turn; `text` is how messages show it. A
    /// second condition replaces the first. Observers have none.
    ///
    /// ```
    /// use hooks_runtime::{Condition, GuardContext, HookError, HookRegistration, Vote, inventory};
    ///
    /// fn no_shell(_cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    ///     Ok(Vote::cancel("no shell here"))
    /// }
    /// fn in_shell(cx: &GuardContext<'_>) -> Result<bool, HookError> {
    ///     Ok(cx.component() == Some("shell"))
    /// }
    /// inventory::submit! {
    ///     HookRegistration::new("acme.no-shell", "tool.*").guard(no_shell).when(&in_shell, "in_shell")
    /// }
    /// ```
    pub const fn when(mut self, condition: &'static dyn Condition, text: &'static str) -> Self {
        self.when = Some(Written { condition, text });
        self
    }
    /// What its failure means.
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = Some(on_failure);
        self
    }
    /// An answer after that long is a failure.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
    /// Keeps copies of the by-value arguments for the phases after the body.
    pub const fn args_after(mut self) -> Self {
        self.args_after = true;
        self
    }
    /// It may answer `Retry`.
    pub const fn may_retry(mut self) -> Self {
        self.may_retry = true;
        self
    }
    /// Its answer depends on nothing but the call.
    pub const fn pure(mut self) -> Self {
        self.pure = true;
        self
    }

    /// An observer that may be left out when time is short, see
    /// [`HookRegistry::set_budget`](crate::HookRegistry::set_budget).
    pub const fn lossy(mut self) -> Self {
        self.lossy = true;
        self
    }
    /// How much of the arguments the records of an observer hold.
    pub const fn record_args(mut self, level: ArgLevel) -> Self {
        self.record_args = level;
        self
    }

    /// The id.
    pub fn id(&self) -> &'static str {
        self.id
    }

    pub(crate) fn parts(&self) -> (HookMetadata, Callee) {
        let owned = |ids: &[&str]| {
            ids.iter()
                .map(|id| Box::from(*id))
                .collect::<Vec<Box<str>>>()
        };
        let mut meta = HookMetadata::new(self.id)
            .point(self.pattern)
            .priority(self.priority);
        meta.description = self.description.into();
        meta.phases = self.phases.iter().flatten().copied().collect();
        meta.before = owned(self.before);
        meta.after = owned(self.after);
        meta.tags = owned(self.tags);
        if let Some(when) = self.when {
            meta.conditions.push(Arc::new(when));
        }
        meta.on_failure = self.on_failure;
        meta.timeout = self.timeout;
        meta.args_after = self.args_after;
        meta.may_retry = self.may_retry;
        meta.pure = self.pure;
        meta.lossy = self.lossy;
        meta.record_args = self.record_args;
        // Who is only linked in has been chosen by nobody: it may narrow, never grant.
        meta.may_grant = false;
        let (package, version) = self.package.unwrap_or(("unnamed", "?"));
        meta.source = Source {
            origin: Origin::Plugin {
                package: Cow::Borrowed(package),
                version: Cow::Borrowed(version),
            },
            location: format!("{}:{}", self.location.file(), self.location.line()).into(),
        };
        let callee = match self.callee {
            Function::Intercept(f) => Callee::Intercept(Box::new(f)),
            Function::InterceptAsync(f) => Callee::InterceptAsync(Box::new(f)),
            Function::Guard(f) => Callee::Guard(Box::new(f)),
            Function::GuardAsync(f) => Callee::GuardAsync(Box::new(f)),
            Function::Observe(f) => Callee::Observe(Box::new(f)),
            Function::None => {
                let why = "it was submitted without a role: add `.intercept(f)`, `.guard(f)` or `.observe(f)`";
                Callee::Intercept(Box::new(move |_| Err(HookError::from(why))))
            }
        };
        (meta, callee)
    }
}

/// Every hook that plugin crates submitted, by id; link order is unspecified.
pub fn link_time_hooks() -> Vec<&'static HookRegistration> {
    let mut found: Vec<_> = inventory::iter::<HookRegistration>().collect();
    found.sort_by_key(|r| (r.id, r.location.file(), r.location.line()));
    found
}

/// Registers them; one that cannot be registered is a problem of the registry, not of the others. Returned are
/// those, to be logged once the registry is there: whoever takes the log may call hooked functions.
pub(crate) fn register_all(registry: &HookRegistry) -> Vec<(&'static str, HookError)> {
    let mut failed = Vec::new();
    for registration in link_time_hooks() {
        match registry.register_link_time(registration) {
            Ok(guard) => guard.forget(),
            Err(error) => {
                let place = registration.location;
                registry.add_problem(format!(
                    "{} at {}:{}: {error}",
                    registration.id,
                    place.file(),
                    place.line()
                ));
                failed.push((registration.id, error));
            }
        }
    }
    failed
}
