//! Hooks: what is asked, and what is known of it.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;

use crate::answer::{HookResult, Vote};
use crate::breaker::{Breaker, BreakerPolicy};
use crate::condition::Condition;
use crate::context::{GuardContext, HookContext};
use crate::error::HookError;
use crate::monitor::Histogram;
use crate::pattern::Pattern;
use crate::point::Phase;
use crate::record::{ArgLevel, DecisionRecord};
use crate::registry::Inner;

/// Order among intercepts: smaller runs earlier before the body, and later after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Priority(pub i32);

impl Priority {
    /// -1000: first before the body, last after it.
    pub const HIGHEST: Priority = Priority(-1000);
    /// -100
    pub const HIGH: Priority = Priority(-100);
    /// 0
    pub const NORMAL: Priority = Priority(0);
    /// 100
    pub const LOW: Priority = Priority(100);
    /// 1000: last before the body, first after it.
    pub const LOWEST: Priority = Priority(1000);
}

/// What a hook may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Change, vote, plan, ask for a retry.
    Intercept,
    /// Vote on what is sealed.
    Guard,
    /// Watch.
    Observe,
}

impl Role {
    /// The lower-case name, as it stands in records and scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Intercept => "intercept",
            Role::Guard => "guard",
            Role::Observe => "observe",
        }
    }
}

/// What the failure of a hook means for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// As if it had said nothing.
    Open,
    /// As if it had voted `Cancel`.
    Closed,
}

/// Whether a hook's answers count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// It runs on copies, its answers are recorded and never count.
    Shadow,
}

/// Who wrote a hook, and where it was registered.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct Source {
    /// What kind of author.
    pub origin: Origin,
    /// `file:line`.
    pub location: Cow<'static, str>,
}

/// The kinds of author.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
#[non_exhaustive]
pub enum Origin {
    /// A registration in the running program.
    Program,
    /// Found at link time.
    Plugin {
        /// The crate.
        package: Cow<'static, str>,
        /// Its version.
        version: Cow<'static, str>,
    },
    /// An entry of a configuration.
    Configuration,
    /// A script.
    Script {
        /// Its file, as given.
        path: Cow<'static, str>,
    },
}

impl Source {
    /// The caller's place in the source.
    pub fn here(location: &Location<'_>) -> Self {
        let location = format!("{}:{}", location.file(), location.line()).into();
        Source {
            origin: Origin::Program,
            location,
        }
    }

    /// An entry of a configuration, at `file:line:column`.
    pub fn configuration(location: impl Into<Cow<'static, str>>) -> Self {
        Source {
            location: location.into(),
            origin: Origin::Configuration,
        }
    }

    /// A line of a script.
    pub fn script(path: impl Into<Cow<'static, str>>, line: u32) -> Self {
        let path = path.into();
        Source {
            location: format!("{path}:{line}").into(),
            origin: Origin::Script { path },
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Plugin { package, version } => {
                write!(f, "{} ({package} {version})", self.location)
            }
            _ => f.write_str(&self.location),
        }
    }
}

/// Everything about a hook but its code; also the options of `hooks().on(…)`.
#[derive(Clone)]
pub struct HookMetadata {
    pub(crate) id: Box<str>,
    pub(crate) description: Box<str>,
    pub(crate) patterns: Vec<Box<str>>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) priority: Priority,
    pub(crate) before: Vec<Box<str>>,
    pub(crate) after: Vec<Box<str>>,
    pub(crate) components: Vec<Box<str>>,
    pub(crate) uses: Vec<Box<str>>,
    pub(crate) conditions: Vec<Arc<dyn Condition>>,
    pub(crate) tags: Vec<Box<str>>,
    pub(crate) once: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) breaker: Option<BreakerPolicy>,
    pub(crate) on_failure: Option<OnFailure>,
    pub(crate) mode: Mode,
    pub(crate) args_after: bool,
    pub(crate) may_retry: bool,
    pub(crate) pure: bool,
    pub(crate) recover_refusals: bool,
    pub(crate) lossy: bool,
    pub(crate) record_args: ArgLevel,
    pub(crate) may_grant: bool,
    pub(crate) flush: Option<Flush>,
    pub(crate) source: Source,
}

/// Finishes what a hook has put off, within a time.
pub(crate) type Flush = Arc<dyn Fn(Duration) -> bool + Send + Sync>;

/// The setters that `HookMetadata` and the builder share.
macro_rules! setters {
    ($self:ident => $meta:expr) => {
        /// Adds a point or a pattern; several are alternatives.
        pub fn point(mut $self, pattern: impl Into<Box<str>>) -> Self {
            $meta.patterns.push(pattern.into());
            $self
        }
        /// Asks it in that phase; several add up. Without any: before the body.
        pub fn phase(mut $self, phase: Phase) -> Self {
            $meta.phases.push(phase);
            $self
        }
        /// Asks it before the body.
        pub fn pre($self) -> Self {
            $self.phase(Phase::Pre)
        }
        /// Asks it after the body returned.
        pub fn post($self) -> Self {
            $self.phase(Phase::Post)
        }
        /// Asks it after the body failed.
        pub fn error($self) -> Self {
            $self.phase(Phase::Error)
        }
        /// Its place in the order.
        pub fn priority(mut $self, priority: Priority) -> Self {
            $meta.priority = priority;
            $self
        }
        /// Runs before the hook of that id, whatever the priorities; an absent id changes nothing.
        pub fn before(mut $self, id: impl Into<Box<str>>) -> Self {
            $meta.before.push(id.into());
            $self
        }
        /// Runs after the hook of that id, whatever the priorities; an absent id changes nothing.
        pub fn after(mut $self, id: impl Into<Box<str>>) -> Self {
            $meta.after.push(id.into());
            $self
        }
        /// Only for calls of that component; several are alternatives.
        pub fn for_component(mut $self, name: impl Into<Box<str>>) -> Self {
            $meta.components.push(name.into());
            $self
        }
        /// Declares an argument that it uses: a name that no site has is an error at registration.
        pub fn uses(mut $self, argument: impl Into<Box<str>>) -> Self {
            $meta.uses.push(argument.into());
            $self
        }
        /// Only if the condition holds, looked at when it is this hook's turn.
        pub fn when(mut $self, condition: impl Condition + 'static) -> Self {
            $meta.conditions.push(Arc::new(condition));
            $self
        }
        /// A label to find it by.
        pub fn tag(mut $self, tag: impl Into<Box<str>>) -> Self {
            $meta.tags.push(tag.into());
            $self
        }
        /// A sentence for lists.
        pub fn describe(mut $self, text: impl Into<Box<str>>) -> Self {
            $meta.description = text.into();
            $self
        }
        /// Runs for one call only.
        pub fn once(mut $self) -> Self {
            $meta.once = true;
            $self
        }
        /// An answer after that long is a failure; asynchronous hooks are stopped then.
        pub fn timeout(mut $self, timeout: Duration) -> Self {
            $meta.timeout = Some(timeout);
            $self
        }
        /// If it fails again and again, it is left alone for a while, see [`BreakerPolicy`].
        ///
        /// [`BreakerPolicy`]: crate::breaker::BreakerPolicy
        pub fn breaker(mut $self, policy: $crate::breaker::BreakerPolicy) -> Self {
            $meta.breaker = Some(policy);
            $self
        }
        /// What its failure means. Default: `Closed` before and after the body, `Open` for observers and
        /// after a failed body.
        pub fn on_failure(mut $self, on_failure: OnFailure) -> Self {
            $meta.on_failure = Some(on_failure);
            $self
        }
        /// Runs on copies; its answers are recorded and never count.
        pub fn shadow(mut $self) -> Self {
            $meta.mode = Mode::Shadow;
            $self
        }
        /// Keeps copies of the by-value arguments for the phases after the body.
        pub fn args_after(mut $self) -> Self {
            $meta.args_after = true;
            $self
        }
        /// It may answer `Retry`: calls keep a copy of their arguments for another attempt.
        pub fn may_retry(mut $self) -> Self {
            $meta.may_retry = true;
            $self
        }
        /// Its answer depends on nothing but the call: `explain` and `replay` may run it.
        pub fn pure(mut $self) -> Self {
            $meta.pure = true;
            $self
        }
        /// It may retry or replace an error that came from a refusal further inside.
        pub fn recover_refusals(mut $self) -> Self {
            $meta.recover_refusals = true;
            $self
        }
        /// For observers: it is not told of calls in which the hooks of the point were over their time budget, see
        /// [`HookRegistry::set_budget`](crate::HookRegistry::set_budget).
        pub fn lossy(mut $self) -> Self {
            $meta.lossy = true;
            $self
        }
        /// For observers: how much of the arguments the records that it gets hold. Default: names and types; for
        /// more every call has to write its arguments as JSON.
        pub fn record_args(mut $self, level: $crate::record::ArgLevel) -> Self {
            $meta.record_args = level;
            $self
        }
        /// Where it comes from, instead of the place of the registration.
        pub fn source(mut $self, source: Source) -> Self {
            $meta.source = source;
            $self
        }
    };
}
pub(crate) use setters;

impl HookMetadata {
    /// A hook of that id, before the body, at no point yet.
    #[track_caller]
    pub fn new(id: impl Into<Box<str>>) -> Self {
        HookMetadata {
            id: id.into(),
            description: "".into(),
            patterns: Vec::new(),
            phases: Vec::new(),
            priority: Priority::NORMAL,
            before: Vec::new(),
            after: Vec::new(),
            components: Vec::new(),
            uses: Vec::new(),
            conditions: Vec::new(),
            tags: Vec::new(),
            once: false,
            timeout: None,
            breaker: None,
            on_failure: None,
            mode: Mode::Enforce,
            args_after: false,
            may_retry: false,
            pure: false,
            recover_refusals: false,
            lossy: false,
            record_args: ArgLevel::Names,
            may_grant: true,
            flush: None,
            source: Source::here(Location::caller()),
        }
    }

    setters!(self => self);
}

/// An intercept as a type, for hooks with state and configuration.
///
/// ```
/// use hooks_runtime::{Hook, HookContext, HookMetadata, HookResult, async_trait};
///
/// struct OfficeHours { open: bool }
///
/// #[async_trait]
/// impl Hook for OfficeHours {
///     fn metadata(&self) -> HookMetadata {
///         HookMetadata::new("office-hours").point("tool.*")
///     }
///     async fn execute(&self, _cx: &mut HookContext<'_>) -> HookResult {
///         if self.open { HookResult::Continue } else { HookResult::cancel("closed for today") }
///     }
/// }
/// ```
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Id, points, phases, order; asked once, at registration.
    fn metadata(&self) -> HookMetadata;
    /// The answer for one call in one phase.
    async fn execute(&self, cx: &mut HookContext<'_>) -> HookResult;
}

/// The synchronous twin of [`Hook`]: it can be asked at every site and costs no allocation.
pub trait SyncHook: Send + Sync + 'static {
    /// Id, points, phases, order; asked once, at registration.
    fn metadata(&self) -> HookMetadata;
    /// The answer for one call in one phase.
    fn execute(&self, cx: &mut HookContext<'_>) -> HookResult;
}

pub(crate) type Answer = Result<HookResult, HookError>;
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type DynIntercept = dyn Fn(&mut HookContext<'_>) -> Answer + Send + Sync;
pub(crate) type DynInterceptAsync =
    dyn for<'a> Fn(&'a mut HookContext<'a>) -> BoxFuture<'a, Answer> + Send + Sync;
type DynGuard = dyn Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync;
pub(crate) type DynGuardAsync = dyn for<'a> Fn(&'a mut GuardContext<'a>) -> BoxFuture<'a, Result<Vote, HookError>>
    + Send
    + Sync;

/// The code of a hook.
pub(crate) enum Callee {
    Intercept(Box<DynIntercept>),
    InterceptAsync(Box<DynInterceptAsync>),
    Guard(Box<DynGuard>),
    GuardAsync(Box<DynGuardAsync>),
    Observe(Box<dyn Fn(&DecisionRecord) + Send + Sync>),
}

impl Callee {
    pub(crate) fn role(&self) -> Role {
        match self {
            Callee::Intercept(_) | Callee::InterceptAsync(_) => Role::Intercept,
            Callee::Guard(_) | Callee::GuardAsync(_) => Role::Guard,
            Callee::Observe(_) => Role::Observe,
        }
    }

    pub(crate) fn is_async(&self) -> bool {
        matches!(self, Callee::InterceptAsync(_) | Callee::GuardAsync(_))
    }
}

/// A registered hook: what it says of itself, its code, and what the registry decided about it.
pub(crate) struct Entry {
    pub(crate) meta: HookMetadata,
    /// Id and source as records share them.
    pub(crate) named: Arc<str>,
    pub(crate) from: Arc<str>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) phases: Phases,
    pub(crate) callee: Callee,
    /// Synchronous, enforced, and asked about every call: nothing but its answer matters.
    pub(crate) plain: bool,
    /// The registry that it is in.
    pub(crate) owner: Weak<Inner>,
    /// Tells hooks apart on a thread's stack of running hooks.
    pub(crate) serial: u32,
    pub(crate) enabled: AtomicBool,
    pub(crate) claimed: AtomicBool,
    pub(crate) required: AtomicBool,
    /// What leaves it alone if it fails again and again.
    pub(crate) breaker: Breaker,
    /// How long it took to answer, where that was measured.
    pub(crate) time: OnceLock<Box<Histogram>>,
    pub(crate) gone: Gone,
}

impl Entry {
    pub(crate) fn new(
        meta: HookMetadata,
        patterns: Vec<Pattern>,
        phases: Phases,
        callee: Callee,
        owner: Weak<Inner>,
    ) -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(1);
        let breaker = Breaker::new(meta.breaker.clone());
        let plain = matches!(callee, Callee::Intercept(_) | Callee::Guard(_))
            && meta.mode == Mode::Enforce
            && meta.components.is_empty()
            && meta.conditions.is_empty()
            && !meta.once
            && meta.timeout.is_none()
            && breaker.slow().is_none();
        Entry {
            breaker,
            plain,
            named: Arc::from(&*meta.id),
            from: meta.source.to_string().into(),
            meta,
            patterns,
            phases,
            callee,
            owner,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            enabled: AtomicBool::new(true),
            claimed: AtomicBool::new(false),
            required: AtomicBool::new(false),
            time: OnceLock::new(),
            gone: Gone::default(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.meta.id
    }

    pub(crate) fn role(&self) -> Role {
        self.callee.role()
    }

    /// Whether it can be asked in a row: nothing but its answer matters, and it is healthy.
    #[inline]
    pub(crate) fn goes_in_a_row(&self) -> bool {
        self.plain && !self.breaker.is_tripped()
    }

    pub(crate) fn matches(&self, point: &str) -> bool {
        self.patterns.iter().any(|p| p.matches(point))
    }

    /// What its failure in that phase means.
    pub(crate) fn on_failure(&self, phase: Phase) -> OnFailure {
        let default = match (self.role(), phase) {
            (Role::Observe, _) | (_, Phase::Error | Phase::Done) => OnFailure::Open,
            _ => OnFailure::Closed,
        };
        self.meta.on_failure.unwrap_or(default)
    }
}

/// A set of phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Phases(u8);

impl Phases {
    pub(crate) fn of(phases: &[Phase]) -> Self {
        Phases(phases.iter().fold(0, |set, phase| set | 1 << *phase as u8))
    }
    pub(crate) fn has(self, phase: Phase) -> bool {
        self.0 & (1 << phase as u8) != 0
    }
    pub(crate) fn iter(self) -> impl Iterator<Item = Phase> {
        [Phase::Pre, Phase::Post, Phase::Error, Phase::Done]
            .into_iter()
            .filter(move |p| self.has(*p))
    }
}

/// Fires when the entry that holds it is dropped: no call uses the hook any more.
#[derive(Default)]
pub(crate) struct Gone(pub(crate) Arc<GoneState>);

#[derive(Default)]
pub(crate) struct GoneState {
    pub(crate) dropped: AtomicBool,
    pub(crate) notify: tokio::sync::Notify,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
    }
}
