//! Hooks made of others: [`FirstMatch`] asks the first whose condition holds, [`AllOf`] asks them all.
//!
//! What they are made of has one id, one place in the order and one failure policy. There is no voting among them: a
//! majority must not overrule a refusal.
//!
//! ```
//! use hooks_runtime::compose::{AllOf, FirstMatch};
//! use hooks_runtime::condition::component;
//! use hooks_runtime::{GuardContext, HookError, Vote, hooks};
//!
//! fn daytime(_cx: &GuardContext<'_>) -> Result<Vote, HookError> { Ok(Vote::Pass) }
//! fn on_call(_cx: &GuardContext<'_>) -> Result<Vote, HookError> { Ok(Vote::ask("Wake somebody?")) }
//!
//! let by_tool = FirstMatch::guards()
//!     .case(component("shell"), AllOf::new().and(daytime).and(on_call).into_guard())
//!     .case(component("mail"), on_call)
//!     .otherwise(|_| Ok(Vote::Pass));
//! let _policy = hooks().guard("by-tool", "tool.*", by_tool.into_guard())?;
//! # Ok::<(), HookError>(())
//! ```

use crate::answer::{AskRequest, HookResult, Reach, Restriction, Vote};
use crate::condition::Condition;
use crate::context::{GuardContext, HookContext};
use crate::error::HookError;

/// A guard as a value.
pub type BoxGuard = Box<dyn Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync>;
/// A synchronous intercept as a value.
pub type BoxIntercept =
    Box<dyn Fn(&mut HookContext<'_>) -> Result<HookResult, HookError> + Send + Sync>;

/// Asks the first hook whose condition holds, and no other. If none holds: the one given to `otherwise`, or nobody.
///
/// A condition that fails is a failure of the whole: what stands behind it is not tried.
#[must_use = "it is asked once it is registered"]
pub struct FirstMatch<H> {
    cases: Vec<(Box<dyn Condition>, H)>,
    otherwise: Option<H>,
}

impl<H> FirstMatch<H> {
    fn empty() -> Self {
        FirstMatch {
            cases: Vec::new(),
            otherwise: None,
        }
    }

    fn choose(&self, cx: &GuardContext<'_>) -> Result<Option<&H>, HookError> {
        for (condition, hook) in &self.cases {
            if condition.holds(cx)? {
                return Ok(Some(hook));
            }
        }
        Ok(self.otherwise.as_ref())
    }
}

impl FirstMatch<BoxGuard> {
    /// Of guards.
    pub fn guards() -> Self {
        FirstMatch::empty()
    }
    /// One more case, after those before it.
    pub fn case(
        mut self,
        condition: impl Condition + 'static,
        guard: impl Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync + 'static,
    ) -> Self {
        self.cases.push((Box::new(condition), Box::new(guard)));
        self
    }
    /// What is asked if no condition holds.
    pub fn otherwise(
        mut self,
        guard: impl Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync + 'static,
    ) -> Self {
        self.otherwise = Some(Box::new(guard));
        self
    }
    /// The guard to register.
    pub fn into_guard(
        self,
    ) -> impl Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync + 'static {
        move |cx: &GuardContext<'_>| match self.choose(cx)? {
            Some(guard) => guard(cx),
            None => Ok(Vote::Pass),
        }
    }
}

impl FirstMatch<BoxIntercept> {
    /// Of synchronous intercepts.
    pub fn intercepts() -> Self {
        FirstMatch::empty()
    }
    /// One more case, after those before it.
    pub fn case(
        mut self,
        condition: impl Condition + 'static,
        hook: impl Fn(&mut HookContext<'_>) -> Result<HookResult, HookError> + Send + Sync + 'static,
    ) -> Self {
        self.cases.push((Box::new(condition), Box::new(hook)));
        self
    }
    /// What is asked if no condition holds.
    pub fn otherwise(
        mut self,
        hook: impl Fn(&mut HookContext<'_>) -> Result<HookResult, HookError> + Send + Sync + 'static,
    ) -> Self {
        self.otherwise = Some(Box::new(hook));
        self
    }
    /// The intercept to register.
    pub fn into_intercept(
        self,
    ) -> impl Fn(&mut HookContext<'_>) -> Result<HookResult, HookError> + Send + Sync + 'static
    {
        move |cx: &mut HookContext<'_>| match self.choose(cx)? {
            Some(hook) => hook(cx),
            None => Ok(HookResult::Continue),
        }
    }
}

/// Asks all guards, in the order given; only `Halt` stops the rest. The strongest restriction counts, with the reasons
/// of all who gave one of that strength. It is a grant only if every guard grants. The failure of one is the failure
/// of the whole.
#[derive(Default)]
#[must_use = "it is asked once it is registered"]
pub struct AllOf(Vec<BoxGuard>);

impl AllOf {
    /// Of nobody: passes, and grants nothing.
    pub fn new() -> Self {
        AllOf::default()
    }
    /// And this one.
    pub fn and(
        mut self,
        guard: impl Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync + 'static,
    ) -> Self {
        self.0.push(Box::new(guard));
        self
    }
    /// The guard to register.
    pub fn into_guard(
        self,
    ) -> impl Fn(&GuardContext<'_>) -> Result<Vote, HookError> + Send + Sync + 'static {
        move |cx: &GuardContext<'_>| {
            let mut joined = Joined::default();
            for guard in &self.0 {
                joined.add(guard(cx)?);
                if joined.restriction == Restriction::Halt {
                    break;
                }
            }
            Ok(joined.into_vote(self.0.len()))
        }
    }
}

/// Votes, joined.
#[derive(Default)]
struct Joined {
    restriction: Restriction,
    reasons: Vec<String>,
    reach: Reach,
    grants: usize,
}

impl Joined {
    fn add(&mut self, vote: Vote) {
        let restriction = vote.restriction();
        self.grants += usize::from(vote == Vote::Allow);
        if restriction > self.restriction {
            self.reasons.clear();
            self.restriction = restriction;
        }
        if restriction == self.restriction {
            self.reasons.extend(vote.reason().map(str::to_owned));
        }
        if let Vote::Halt { reach, .. } = vote {
            self.reach = reach;
        }
    }

    fn into_vote(self, of: usize) -> Vote {
        let reason = self.reasons.join("; ");
        match self.restriction {
            Restriction::None if of > 0 && self.grants == of => Vote::Allow,
            Restriction::None => Vote::Pass,
            Restriction::Ask => Vote::Ask(AskRequest { question: reason }),
            Restriction::Cancel => Vote::Cancel(reason),
            Restriction::Halt => Vote::Halt {
                reason,
                reach: self.reach,
            },
        }
    }
}
