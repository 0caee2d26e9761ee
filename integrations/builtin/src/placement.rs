//! Where a built-in hook is asked.

use std::fmt;
use std::sync::Arc;

use hooks_runtime::{
    Condition, GuardContext, HookError, HookGuard, HookMetadata, HookRegistry, OnFailure,
    PreparedHook, Priority, Source,
};

/// Id, points and order of a built-in hook: what all kinds have in common.
#[derive(Clone, Debug)]
#[must_use]
pub struct Placement {
    id: Box<str>,
    points: Vec<Box<str>>,
    components: Vec<Box<str>>,
    conditions: Vec<Shared>,
    priority: Option<Priority>,
    on_failure: Option<OnFailure>,
    is_shadow: bool,
    source: Source,
}

/// A built-in hook that is registered; it goes when this is dropped.
#[derive(Debug)]
#[must_use = "the hook is unregistered when this is dropped"]
pub struct Registered(Vec<HookGuard>);

impl Placement {
    /// A hook of that id, at no point yet. A kind that needs several hooks adds words to the id.
    #[track_caller]
    pub fn new(id: impl Into<Box<str>>) -> Self {
        Placement {
            id: id.into(),
            points: Vec::new(),
            components: Vec::new(),
            conditions: Vec::new(),
            priority: None,
            on_failure: None,
            is_shadow: false,
            source: Source::here(std::panic::Location::caller()),
        }
    }
    /// Adds a point or a pattern; several are alternatives.
    pub fn point(mut self, pattern: impl Into<Box<str>>) -> Self {
        self.points.push(pattern.into());
        self
    }
    /// Only for calls of that component; several are alternatives.
    pub fn component(mut self, name: impl Into<Box<str>>) -> Self {
        self.components.push(name.into());
        self
    }
    /// Only if the condition holds, looked at when it is the hook's turn; several must all hold. Calls keep copies of
    /// their arguments, so that conditions can name them after the body too. Kinds that watch calls that are done
    /// (`audit`, `debugging`, `logging`, `metrics`, `records`) have no conditions: registering one is an error.
    pub fn when(mut self, condition: impl Condition + 'static) -> Self {
        self.conditions.push(Shared(Arc::new(condition)));
        self
    }
    /// Its place in the order, instead of the one that its kind has.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }
    /// What its failure means, instead of what its kind says.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = Some(on_failure);
        self
    }
    /// Its answers are recorded and never count.
    pub fn shadow(mut self) -> Self {
        self.is_shadow = true;
        self
    }
    /// Where it comes from, instead of the place of [`Placement::new`].
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// For kinds: whether its answers do not count; what it does beside answering should not be done then.
    pub fn is_shadow(&self) -> bool {
        self.is_shadow
    }

    /// For kinds: what the only hook of a kind says of itself, with the priority of the kind.
    pub fn only(&self, priority: Priority) -> HookMetadata {
        self.described(self.id.clone(), priority)
    }

    /// For kinds of several hooks: what the one of that name says of itself.
    pub fn part(&self, name: &str, priority: Priority) -> HookMetadata {
        self.described(format!("{}.{name}", self.id).into(), priority)
    }

    /// For kinds: the same without conditions, for the observer of a kind whose other hooks have looked at them.
    pub fn unconditional(&self) -> Self {
        Placement {
            conditions: Vec::new(),
            ..self.clone()
        }
    }

    fn described(&self, id: Box<str>, priority: Priority) -> HookMetadata {
        let priority = self.priority.unwrap_or(priority);
        let meta = HookMetadata::new(id)
            .priority(priority)
            .source(self.source.clone());
        let meta = self.points.iter().cloned().fold(meta, HookMetadata::point);
        let components = self.components.iter().cloned();
        let meta = components.fold(meta, HookMetadata::for_component);
        let conditions = self.conditions.iter().cloned();
        let meta = conditions.fold(meta, |meta, condition| meta.when(condition).args_after());
        let meta = match self.on_failure {
            Some(on_failure) => meta.on_failure(on_failure),
            None => meta,
        };
        if self.is_shadow { meta.shadow() } else { meta }
    }
}

/// A condition that all hooks of a kind share.
#[derive(Clone)]
struct Shared(Arc<dyn Condition>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.describe())
    }
}

impl Condition for Shared {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        self.0.holds(cx)
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
    fn text(&self) -> Option<&str> {
        self.0.text()
    }
}

impl From<Vec<HookGuard>> for Registered {
    fn from(guards: Vec<HookGuard>) -> Self {
        Registered(guards)
    }
}

impl Registered {
    /// Registers hooks that were prepared, all or none.
    ///
    /// # Errors
    /// What [`HookRegistry::register`] refuses.
    pub fn all(registry: &HookRegistry, hooks: Vec<PreparedHook>) -> Result<Self, HookError> {
        registry.replace(&[], hooks).map(Registered)
    }

    /// Keeps the hook for as long as the registry lives.
    pub fn forget(self) {
        self.0.into_iter().for_each(HookGuard::forget);
    }

    /// The ids of its hooks.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(HookGuard::id)
    }
}
