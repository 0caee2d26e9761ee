//! What the caller of a hooked function gets when hooks refuse the call.

use std::fmt;

use crate::answer::Restriction;

/// Why a call was refused, by whom, and whether its effect has happened already.
///
/// One pointer wide, so that an error type that carries it does not grow.
#[derive(Clone)]
pub struct HookRefusal(Box<Refusal>);

#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) point: Box<str>,
    pub(crate) hook: Box<str>,
    pub(crate) reason: Box<str>,
    pub(crate) source: Box<str>,
    pub(crate) others: Vec<(Box<str>, Box<str>)>,
    pub(crate) executed: bool,
    pub(crate) restriction: Restriction,
}

impl HookRefusal {
    pub(crate) fn new(refusal: Refusal) -> Self {
        HookRefusal(Box::new(refusal))
    }

    /// The point at which the call was refused.
    pub fn point(&self) -> &str {
        &self.0.point
    }
    /// Id of the hook whose vote counts most; the runtime's own rules have ids that start with `hookpoint.`.
    pub fn hook(&self) -> &str {
        &self.0.hook
    }
    /// The reason of that hook.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
    /// Where that hook was registered: `file:line`, or `script:line`.
    pub fn source_location(&self) -> &str {
        &self.0.source
    }
    /// The other hooks that objected, as `(id, reason)`.
    pub fn others(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .others
            .iter()
            .map(|(hook, reason)| (&**hook, &**reason))
    }
    /// Whether the body ran: the result was withheld after it, so its effect must be taken as done.
    pub fn executed(&self) -> bool {
        self.0.executed
    }
    /// Whether the refusal also ended the run.
    pub fn halted(&self) -> bool {
        self.0.restriction == Restriction::Halt
    }
}

impl fmt::Debug for HookRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for HookRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.0.executed {
            "result withheld"
        } else {
            "refused"
        };
        write!(
            f,
            "{} {verb} by hook `{}`: {}",
            self.0.point, self.0.hook, self.0.reason
        )
    }
}

impl std::error::Error for HookRefusal {}

// Conversions that users cannot write themselves (orphan rule).
impl From<HookRefusal> for std::io::Error {
    fn from(refusal: HookRefusal) -> Self {
        std::io::Error::new(std::io::ErrorKind::PermissionDenied, refusal)
    }
}

impl From<HookRefusal> for String {
    fn from(refusal: HookRefusal) -> Self {
        refusal.to_string()
    }
}
