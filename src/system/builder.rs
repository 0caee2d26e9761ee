//! [`HookSystem`] and how one is built.

use std::path::Path;
#[cfg(feature = "lua")]
use std::sync::Arc;
#[cfg(feature = "builtin")]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[cfg(feature = "builtin")]
use hooks_builtin::Registered;
use hooks_events::{DrainReport, EventBus, HookEventSystem, HookEventSystemBuilder};
use hooks_runtime::{
    Approver, ArgLevel, HookError, HookRegistry, Life, Origin, Redactor, Verification, Wants, hooks,
};

use super::config::Config;
#[cfg(feature = "builtin")]
use super::entries::Problem;
use super::files::FileCheck;
use super::scripts::ScriptEntry;

/// A registry whose policy is in force.
///
/// ```
/// # use hookpoint::{HookRegistry, HookScope, HookSystem, Life, Vote, hooked};
/// #[hooked(point = "shop.fetch", on_refused = |_| "refused")]
/// fn fetch() -> &'static str {
///     "fetched"
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), hookpoint::HookError> {
/// # let registry = HookRegistry::new();
/// # let scope = HookScope::isolated(&registry);
/// # let _entered = scope.enter();
/// let builder = HookSystem::builder();
/// assert_eq!(fetch(), "refused"); // the policy is not in force yet
/// let _guard = builder.registry().guard("office-hours", "shop.fetch", |_| Ok(Vote::Pass))?;
/// let system = builder.require("office-hours").build().await?;
/// assert_eq!(system.registry().life(), Life::Serving);
/// assert_eq!(fetch(), "fetched");
/// # Ok(())
/// # }
/// ```
pub struct HookSystem {
    registry: HookRegistry,
    events: HookEventSystem,
    /// The built-in hooks of the configuration, as they are registered.
    #[cfg(feature = "builtin")]
    hooks: Mutex<Vec<Registered>>,
    #[cfg(feature = "builtin")]
    problems: Vec<Problem>,
    /// Asked about the configuration and the files that it reads.
    #[cfg(feature = "builtin")]
    files: FileCheck,
    /// What the scripts registered lives as long as they do.
    #[cfg(feature = "lua")]
    scripts: Vec<Arc<hooks_lua::Script>>,
}

impl HookSystem {
    /// Starts a system on the current registry, which stops serving until [`HookSystemBuilder::build`] has
    /// succeeded: a call that comes too early is refused, not let through.
    pub fn builder() -> HookSystemBuilder {
        let registry = hooks();
        registry.set_life(Life::Starting);
        #[cfg(feature = "builtin")]
        match hooks_builtin::RedactionHook::new().redactor() {
            Ok(redactor) => registry.set_redactor(redactor),
            // Then records at that level show shapes only, which is safe.
            Err(error) => tracing::error!(%error, "the redactor of records is not used"),
        }
        HookSystemBuilder {
            registry,
            bus: EventBus::new(),
            calls: Vec::new(),
            args: ArgLevel::default(),
            has_approver: false,
            #[cfg(feature = "lua")]
            prints_to_stderr: false,
            files: FileCheck::default(),
            config: Config::default(),
        }
    }

    /// The registry.
    pub fn registry(&self) -> &HookRegistry {
        &self.registry
    }

    /// The event bus, and what connects it with the hooks.
    pub fn events(&self) -> &HookEventSystem {
        &self.events
    }

    /// Every site, who is asked there, and every gap.
    pub fn verify(&self) -> Verification {
        self.registry.verify()
    }

    /// The entries of the configuration that were left out. One that is wrong never takes another one with it; one
    /// that is required and wrong keeps the system from starting.
    #[cfg(feature = "builtin")]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Puts the built-in hooks of a changed configuration in the place of those that are there, in one step: calls
    /// are asked about by the old ones or by the new ones, and nobody by a part. Hooks at `system.config` may
    /// refuse it. Everything else that the file says takes effect at the next start.
    ///
    /// # Errors
    /// The file cannot be read, [`check_files`](HookSystemBuilder::check_files) refuses it or one that it reads, an
    /// entry is wrong, a required hook is missing, or a hook refused: then everything stays as it was.
    #[cfg(feature = "builtin")]
    pub fn reload(&self, path: impl AsRef<Path>) -> Result<(), HookError> {
        let path = path.as_ref();
        self.files.all([path])?;
        let config = Config::read(path)?;
        reconfigure(&path.display().to_string(), config.hooks.len())?;
        let mut prepared = Vec::new();
        for entry in &config.hooks {
            entry.check_files(&self.files)?;
            prepared.extend(entry.prepare()?);
        }
        let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        let old: Vec<String> = hooks
            .iter()
            .flat_map(|h| h.ids().map(str::to_owned))
            .collect();
        let old: Vec<&str> = old.iter().map(String::as_str).collect();
        let new = self.registry.replace(&old, prepared)?;
        let before = std::mem::replace(&mut *hooks, vec![Registered::from(new)]);
        drop(hooks);
        // Their hooks are gone already; the guards have nothing left to do.
        drop(before);
        Ok(())
    }

    /// The scripts, in the order in which they were loaded; to watch them, or to reload one.
    #[cfg(feature = "lua")]
    pub fn scripts(&self) -> &[Arc<hooks_lua::Script>] {
        &self.scripts
    }

    /// Reloads the scripts, each by itself, as [`hooks_lua::Script::reload`] does: what became of each, by its name. One that fails
    /// goes on as it is. In the scope in which the system was built; where `script.load`, `script.execute` or
    /// `script.reload` are closed, hooks have to allow it.
    #[cfg(feature = "lua")]
    pub async fn reload_scripts(
        &self,
    ) -> Vec<(String, Result<hooks_lua::Reloaded, hooks_lua::ScriptError>)> {
        let mut reloaded = Vec::new();
        for script in &self.scripts {
            reloaded.push((script.name().to_owned(), script.reload().await));
        }
        reloaded
    }

    /// Reloads each script when one of its files changes, until the future is dropped, and says what became of it; a
    /// script that changes itself again and again is left out, see [`hooks_lua::Change::Loop`]. In the scope in which
    /// the system was built.
    ///
    /// ```no_run
    /// # async fn keep(system: &hookpoint::HookSystem) {
    /// let failed = system.watch_scripts(|script, reloaded| {
    ///     println!("{}: {reloaded:?}", script.name());
    /// });
    /// eprintln!("scripts are no longer watched: {}", failed.await);
    /// # }
    /// ```
    ///
    /// It ends by itself only with the error for which the files can't be watched any more.
    #[cfg(feature = "lua")]
    pub async fn watch_scripts(
        &self,
        mut said: impl FnMut(&hooks_lua::Script, Result<hooks_lua::Reloaded, hooks_lua::ScriptError>),
    ) -> hooks_lua::ScriptError {
        let mut watch = match hooks_lua::Watch::new(self.scripts.clone()) {
            Ok(watch) => watch,
            Err(error) => return error,
        };
        loop {
            let changes = match watch.changed().await {
                Ok(changes) => changes,
                Err(error) => return error,
            };
            for change in changes {
                match change {
                    hooks_lua::Change::Reload(script) => {
                        let reloaded = script.reload().await;
                        said(&script, reloaded);
                    }
                    change => {
                        tracing::warn!(?change, "a change of a script is left out");
                    }
                }
            }
        }
    }

    /// Calls need a grant from here on: the program is going down.
    pub fn drain(&self) {
        self.registry.set_life(Life::Draining);
    }

    /// Tells hooks and subscribers that the program goes down, waits until what was published is handled, at most
    /// for `timeout`, and drains. Then hooks finish what they put off, such as records that wait to be written, at most
    /// for `timeout` again, which blocks the thread; what is not finished is logged.
    pub async fn shutdown(&self, timeout: Duration) -> DrainReport {
        let report = self.events.shutdown(timeout).await;
        self.drain();
        for hook in self.registry.flush(timeout) {
            tracing::error!(%hook, ?timeout, "a hook did not finish what it put off");
        }
        report
    }
}

/// Built-in hooks are about to be replaced by so many entries of that file.
#[cfg(feature = "builtin")]
#[hooks_runtime::hooked(point = "system.config", component = path)]
fn reconfigure(path: &str, entries: usize) -> Result<(), hooks_runtime::HookRefusal> {
    let _for_hooks_only = (path, entries);
    Ok(())
}

/// The hooks of entries, and whether each entry is required.
#[cfg(feature = "builtin")]
type Entries = Vec<(bool, Registered)>;

/// The ids of the hooks that required entries became.
#[cfg(feature = "builtin")]
fn required_ids(hooks: &Entries) -> impl Iterator<Item = &str> {
    let required = hooks.iter().filter(|(required, _)| *required);
    required.flat_map(|(_, registered)| registered.ids())
}

#[cfg(feature = "builtin")]
impl From<Problem> for HookError {
    fn from(problem: Problem) -> Self {
        HookError::Configuration {
            what: problem.at.into(),
            cause: problem.what.into(),
        }
    }
}

/// See [`HookSystem::builder`].
#[must_use = "the registry does not serve before `.build()`"]
pub struct HookSystemBuilder {
    registry: HookRegistry,
    bus: EventBus,
    /// Patterns of the points whose calls are published.
    calls: Vec<String>,
    /// How much of their arguments is.
    args: ArgLevel,
    /// The program itself says who answers `Ask`.
    has_approver: bool,
    /// What scripts print goes to standard error.
    #[cfg(feature = "lua")]
    prints_to_stderr: bool,
    /// Asked about files that the policy reads.
    files: FileCheck,
    config: Config,
}

impl HookSystemBuilder {
    /// Where hooks of the program itself are registered.
    pub fn registry(&self) -> &HookRegistry {
        &self.registry
    }

    /// The event bus; by default a new one.
    pub fn bus(mut self, bus: EventBus) -> Self {
        self.bus = bus;
        self
    }

    /// Publishes every call at the points that match, see
    /// [`publish_calls`](hooks_events::HookEventSystemBuilder::publish_calls).
    pub fn publish_calls(mut self, pattern: impl Into<String>) -> Self {
        self.calls.push(pattern.into());
        self
    }

    /// How much of the arguments the events about calls hold; by default their names and types.
    pub fn publish_args(mut self, level: ArgLevel) -> Self {
        self.args = level;
        self
    }

    /// Adds what a configuration file says.
    ///
    /// # Errors
    /// [`HookError::Configuration`]: the file cannot be read, or names an approver as another one does; the system
    /// does not serve then.
    pub fn config(mut self, path: impl AsRef<Path>) -> Result<Self, HookError> {
        let read = Config::read(path)?;
        if let (Some(first), Some(second)) = (&self.config.approver, &read.approver) {
            let why = format!("there is an approver at {} already", first.at);
            return Err(second.wrong(why));
        }
        self.config.approver = read.approver.or(self.config.approver);
        self.config.required.extend(read.required);
        self.config.closed.extend(read.closed);
        self.config.scripts.extend(read.scripts);
        self.config.budgets.extend(read.budgets);
        #[cfg(feature = "builtin")]
        {
            self.config.redaction = read.redaction.or(self.config.redaction);
            self.config.hooks.extend(read.hooks);
        }
        self.config.plugins = read.plugins.or(self.config.plugins);
        Ok(self)
    }

    /// Adds a script, which is loaded by [`HookSystemBuilder::build`] and may do everything, Allow among it.
    ///
    /// # Errors
    /// [`HookError::Configuration`]: there is no such file.
    pub fn script(mut self, path: impl AsRef<Path>) -> Result<Self, HookError> {
        let path = path.as_ref();
        if !path.is_file() {
            return Err(HookError::Configuration {
                what: path.display().to_string().into(),
                cause: "there is no such script".into(),
            });
        }
        let entry = ScriptEntry::of(path.display().to_string());
        self.config.scripts.push(entry);
        Ok(self)
    }

    /// The same for a script that may do only what is listed, see [`ScriptEntry::allow`].
    ///
    /// # Errors
    /// [`HookError::Configuration`]: there is no such file.
    pub fn script_allowed(
        self,
        path: impl AsRef<Path>,
        allow: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, HookError> {
        let mut system = self.script(path)?;
        if let Some(entry) = system.config.scripts.last_mut() {
            entry.allow = Some(allow.into_iter().map(Into::into).collect());
        }
        Ok(system)
    }

    /// Lets `print` of scripts write to standard error, for programs whose standard output is a protocol.
    #[cfg(feature = "lua")]
    pub fn prints_to_stderr(mut self) -> Self {
        self.prints_to_stderr = true;
        self
    }

    /// Asks about each file that built-in hooks read (rules, schemas), of the configuration and of scripts, at the
    /// start and when they are reloaded. An entry whose file is refused is a wrong one; a script's is an error of the
    /// script. [`HookSystem::reload`] asks about the configuration as well, before it is read; before
    /// [`HookSystemBuilder::config`] the program asks itself. For programs that check who could write their policy.
    pub fn check_files(
        mut self,
        check: impl Fn(&Path) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        self.files = FileCheck::new(check);
        self
    }

    /// How long all hooks may take in one call at the points that match, before observers that are lossy are left out.
    pub fn budget(mut self, pattern: impl Into<String>, budget: Duration) -> Self {
        self.config.budgets.insert(pattern.into(), budget);
        self
    }

    /// What takes secrets out of the arguments in records at the level `redacted`. By default, with the feature
    /// `builtin`, the rules of the built-in hook `redaction`. What a configuration says goes before.
    pub fn redactor(self, redactor: impl Redactor + 'static) -> Self {
        self.registry.set_redactor(redactor);
        self
    }

    /// Who answers `Ask` if no configuration says so.
    pub fn default_approver(self, approver: impl Approver + 'static) -> Self {
        if self.config.approver.is_none() && !self.has_approver {
            self.registry.set_approver(approver);
        }
        self
    }

    /// Who answers `Ask`. A configuration that names an approver too is an error of
    /// [`HookSystemBuilder::build`]: neither of them is silently left out.
    pub fn approver(mut self, approver: impl Approver + 'static) -> Self {
        self.registry.set_approver(approver);
        self.has_approver = true;
        self
    }

    /// A hook without which the system does not start, and which then cannot be removed.
    pub fn require(mut self, id: impl Into<String>) -> Self {
        self.config.required.push(id.into());
        self
    }

    /// A point or pattern whose calls need a grant.
    pub fn close_point(mut self, pattern: impl Into<String>) -> Self {
        self.config.closed.push(pattern.into());
        self
    }

    /// Puts the policy in force.
    ///
    /// # Errors
    /// A script failed, a required hook is missing, a pattern can never match, or [`HookSystem::verify`] finds
    /// an error: the registry stays in [`Life::Starting`], and calls stay refused. [`HookError::Disabled`]: built
    /// without the feature `enabled`, where there is no policy that could be in force.
    pub async fn build(self) -> Result<HookSystem, HookError> {
        if !cfg!(feature = "enabled") {
            return Err(HookError::Disabled);
        }
        self.drop_unlisted_plugins()?;
        self.install_approver()?;
        for pattern in &self.config.closed {
            self.registry.close_point(pattern)?;
        }
        for (pattern, budget) in &self.config.budgets {
            self.registry.set_budget(pattern, Some(*budget))?;
        }
        #[cfg(feature = "builtin")]
        if let Some(redaction) = &self.config.redaction {
            self.registry.set_redactor(redaction.redactor()?);
        }
        #[cfg(feature = "builtin")]
        let (hooks, problems) = self.register_entries()?;
        #[cfg(feature = "lua")]
        let scripts = self.load_scripts().await?;
        #[cfg(not(feature = "lua"))]
        self.refuse_scripts()?;
        let required = self.config.required.iter().map(String::as_str);
        #[cfg(feature = "builtin")]
        let required = required.chain(required_ids(&hooks));
        let required: Vec<&str> = required.collect();
        self.registry.require(&required)?;
        let found = self.registry.verify();
        if let Some(gap) = found.gaps.iter().find(|gap| gap.error) {
            let what = gap.subject.clone().into();
            return Err(HookError::Configuration {
                what,
                cause: gap.detail.clone().into(),
            });
        }
        // Looked at before anything serves: a pattern that is wrong must not be found too late.
        for pattern in &self.calls {
            Wants::always_at(pattern)?;
        }
        self.registry.set_life(Life::Serving);
        let events = HookEventSystem::builder().bus(self.bus);
        let events = events.registry(self.registry.clone()).args(self.args);
        let publish = |events: HookEventSystemBuilder, pattern| events.publish_calls(pattern);
        let events = self.calls.into_iter().fold(events, publish).build();
        let events = events.inspect_err(|_| self.registry.set_life(Life::Starting))?;
        Ok(HookSystem {
            registry: self.registry,
            events,
            #[cfg(feature = "builtin")]
            hooks: Mutex::new(hooks.into_iter().map(|(_, hooks)| hooks).collect()),
            #[cfg(feature = "builtin")]
            problems,
            #[cfg(feature = "builtin")]
            files: self.files,
            #[cfg(feature = "lua")]
            scripts,
        })
    }

    fn install_approver(&self) -> Result<(), HookError> {
        match &self.config.approver {
            None => Ok(()),
            Some(entry) if self.has_approver => Err(entry.wrong(
                "the program has an approver of its own (`HookSystemBuilder::approver`): leave one of them out",
            )),
            Some(entry) => entry.install(&self.registry),
        }
    }

    /// Registers the built-in hooks of the configuration, each entry by itself.
    #[cfg(feature = "builtin")]
    fn register_entries(&self) -> Result<(Entries, Vec<Problem>), HookError> {
        let (mut hooks, mut problems) = (Entries::new(), Vec::new());
        for entry in &self.config.hooks {
            let checked = entry.check_files(&self.files);
            match checked.and_then(|()| entry.register(&self.registry)) {
                Ok(registered) => hooks.push((entry.is_required(), registered)),
                Err(problem) if entry.is_required() => return Err(problem.into()),
                Err(problem) => {
                    tracing::error!(%problem, "an entry of the configuration is left out");
                    problems.push(problem);
                }
            }
        }
        Ok((hooks, problems))
    }

    /// Link-time hooks were chosen by whoever linked a crate; the configuration may restrict them to a list.
    fn drop_unlisted_plugins(&self) -> Result<(), HookError> {
        let Some(listed) = &self.config.plugins else {
            return Ok(());
        };
        for hook in self.registry.list() {
            if let Origin::Plugin { package, .. } = &hook.source.origin
                && !listed.iter().any(|name| *name == **package)
            {
                self.registry.unregister(&hook.id)?;
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "lua"))]
    fn refuse_scripts(&self) -> Result<(), HookError> {
        match self.config.scripts.first() {
            None => Ok(()),
            Some(script) => Err(HookError::Configuration {
                what: script.path.as_str().into(),
                cause: "scripts need the feature `lua` of the crate `hookpoint`".into(),
            }),
        }
    }

    /// Loads the scripts into the registry. They are granted to be loaded, which is what the registry waits
    /// for; whatever else they call while they load needs a grant like every other call.
    #[cfg(feature = "lua")]
    async fn load_scripts(&self) -> Result<Vec<Arc<hooks_lua::Script>>, HookError> {
        let loads = self
            .registry
            .on("system.load-scripts")
            .point("script.load")
            .point("script.execute");
        let _grant = loads.guard(|_| Ok(hooks_runtime::Vote::Allow))?;
        let engine = super::with_builtins(hooks_lua::LuaEngine::builder(), &self.files);
        let engine = engine.events(self.bus.clone());
        let engine = if self.prints_to_stderr {
            engine.output(std::io::stderr())
        } else {
            engine
        };
        let engine = engine.build();
        let mut scripts = Vec::new();
        for entry in &self.config.scripts {
            let failed = |error: hooks_lua::ScriptError| HookError::Configuration {
                what: entry.path.as_str().into(),
                cause: error.to_string().into(),
            };
            let engine = engine.granting(entry.rights()?);
            let script = engine.load(&entry.path).map_err(failed)?;
            script.execute().await.map_err(failed)?;
            scripts.push(Arc::new(script));
        }
        Ok(scripts)
    }
}
