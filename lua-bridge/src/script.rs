//! A loaded script.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use hooks_runtime::hooked;
use serde_json::Value;

use crate::engine::LuaEngine;
use crate::error::ScriptError;
use crate::require::admit;
use crate::source::Files;
use crate::version::Version;
use crate::vm::Slot;

mod loaded;

pub(crate) use loaded::Loaded;
use loaded::{DROPPED, STOPPED, lock};

/// A script with its state and its hooks; dropping it unregisters them, and has it do what it gave to
/// `Script.on_unload`.
pub struct Script(Arc<Loaded>);

/// What a reload did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reloaded {
    /// The ids of its hooks, sorted.
    pub hooks: Vec<String>,
    /// What the script returned; null also if it had not been run before.
    pub result: Value,
}

impl Script {
    pub(crate) fn new(
        name: &str,
        engine: LuaEngine,
        path: Option<PathBuf>,
        source: String,
        version: Version,
    ) -> Self {
        Script(Arc::new(Loaded::new(name, engine, path, source, version)))
    }

    fn version(&self) -> Arc<Version> {
        self.0.version()
    }

    /// A reload runs it, although it has not run.
    pub(crate) fn is_to_run(&self) {
        *lock(&self.0.args) = Some(Vec::new());
    }

    /// Its name: the path that it was loaded from.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs it to its end, and gives the first value that it returns, as JSON. Dropping the future ends it at
    /// the next wait.
    ///
    /// # Errors
    /// [`ScriptError::Lua`] with `script:line` and a traceback, [`ScriptError::Stopped`], [`ScriptError::Refused`].
    pub async fn execute(&self) -> Result<Value, ScriptError> {
        self.execute_with(Vec::new()).await
    }

    /// The same with arguments, which the script gets as `...`.
    ///
    /// # Errors
    /// As [`Script::execute`].
    pub async fn execute_with(&self, args: Vec<Value>) -> Result<Value, ScriptError> {
        *lock(&self.0.args) = Some(args.clone());
        let result = run(&self.0.name, args, &self.version()).await?;
        // One that did not come to its end is not run again by itself.
        self.0.keeper.start(&self.0);
        Ok(result)
    }

    /// Runs other code in its state, with its globals, as [`Script::execute`] runs its own. `name` stands in messages
    /// as a path would; local variables end with the code.
    ///
    /// # Errors
    /// As [`Script::execute`], and [`ScriptError::Syntax`]: then nothing has run.
    pub async fn evaluate(&self, name: &str, source: &str) -> Result<Value, ScriptError> {
        evaluate(name, source.to_owned(), &self.version()).await
    }

    /// Loads its file once more, runs it as it was run last, and puts its hooks and subscriptions in the place of
    /// those that are there.
    ///
    /// It happens beside the version in force: while the new one runs, the hooks of the old one are asked, and the
    /// new one's `Hook.register` and `Event.subscribe` with a function take effect at its end. Then all hooks are
    /// exchanged in one step: every call is asked about by the hooks of one version. Calls that the old ones are
    /// being asked about end with them; then the old state goes. An event that is published in the moment of the
    /// exchange may reach both versions, and one that the old one has begun to handle is not handled to its end. Call
    /// it in the scope in which the script was run.
    ///
    /// If the engine has a bus, `script.reload` is published with `script`, `ok`, `hooks` and `error`.
    ///
    /// # Errors
    /// Those of [`LuaEngine::load`] and [`Script::execute`], [`ScriptError::NotReloaded`] if the registry refuses
    /// its hooks, [`ScriptError::Refused`] if a hook at `script.reload` refuses. The version in force stays.
    pub async fn reload(&self) -> Result<Reloaded, ScriptError> {
        self.reload_from(None).await
    }

    /// The same with other code, instead of what is in its file.
    ///
    /// # Errors
    /// As [`Script::reload`].
    pub async fn reload_source(&self, source: &str) -> Result<Reloaded, ScriptError> {
        self.reload_from(Some(source.to_owned())).await
    }

    async fn reload_from(&self, source: Option<String>) -> Result<Reloaded, ScriptError> {
        let _one_at_a_time = self.0.reloading.lock().await;
        self.0.is_stopped.store(false, Ordering::Release);
        let reloaded = reload(&self.0.name, &self.0, source).await;
        self.0.tell(&reloaded, None);
        if reloaded.is_ok() && lock(&self.0.args).is_some() {
            self.0.keeper.start(&self.0);
        }
        reloaded
    }

    /// The files that it is made of: its own and those that it requires, also those that were looked for in vain.
    /// Those of a reload that failed count as well.
    pub fn files(&self) -> Vec<PathBuf> {
        self.known_files().into_keys().collect()
    }

    pub(crate) fn known_files(&self) -> Files {
        let mut files = self.version().sources.files();
        files.extend(lock(&self.0.failed).clone());
        files
    }

    pub(crate) fn engine(&self) -> &LuaEngine {
        &self.0.engine
    }

    /// The ids of the hooks that it has registered, sorted.
    pub fn hooks(&self) -> Vec<String> {
        self.version().registrations.ids()
    }

    /// The methods of the objects that it can be given, as `kind:method` with the kind that `typeof` says: what stands in
    /// [`functions`](crate::api::functions) as `receiver:method`.
    pub fn methods(&self) -> Vec<String> {
        self.version().methods()
    }

    /// Ends its subscriptions that have no function: once it has run to its end, nobody receives their events.
    pub fn end_receiving(&self) {
        self.version().subscriptions.end_queues();
    }

    /// Why it can't be used now: it hit a limit or was stopped. Its hooks fail then. One that hit a limit is built anew
    /// as [`LuaEngineBuilder::rebuild`](crate::LuaEngineBuilder::rebuild) says; one that was stopped, when it is
    /// reloaded.
    pub fn stopped(&self) -> Option<String> {
        self.version().vm.control.ended().map(str::to_owned)
    }

    /// Stops it from anywhere, also in the middle of a loop.
    pub fn stopper(&self) -> ScriptStopper {
        ScriptStopper {
            script: Arc::downgrade(&self.0),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let current = lock(&self.0.current);
        self.0.is_gone.store(true, Ordering::Release);
        let version = current.clone();
        drop(current);
        self.0.keeper.end();
        self.0.stop_staged(DROPPED);
        self.0.engine.unload(&version, &version.end());
    }
}

#[hooked(point = "script.execute", component = script)]
async fn run(script: &str, args: Vec<Value>, version: &Version) -> Result<Value, ScriptError> {
    let _ = script;
    version.run(args).await
}

async fn evaluate(name: &str, source: String, version: &Version) -> Result<Value, ScriptError> {
    let source = admit(name, source)?;
    let code = version.compile(name, source).await?;
    run_code(name, &code, version).await
}

#[hooked(point = "script.execute", component = script)]
async fn run_code(script: &str, code: &Slot, version: &Version) -> Result<Value, ScriptError> {
    let _ = script;
    version.run_slot(code, Vec::new()).await
}

/// A changed script is to take the place of the running one.
#[hooked(point = "script.reload", component = script)]
pub(crate) async fn reload(
    script: &str,
    of: &Loaded,
    source: Option<String>,
) -> Result<Reloaded, ScriptError> {
    let _ = script;
    of.replace(source).await
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("name", &self.name())
            .field("hooks", &self.hooks())
            .field("stopped", &self.stopped())
            .finish()
    }
}

/// See [`Script::stopper`].
#[derive(Clone)]
pub struct ScriptStopper {
    script: Weak<Loaded>,
}

impl ScriptStopper {
    /// Stops the script for good: the code under way fails at its next step, that of a reload too, and its hooks fail
    /// from then on, until it is reloaded.
    pub fn stop(&self) {
        if let Some(script) = self.script.upgrade() {
            script.is_stopped.store(true, Ordering::Release);
            script.stop_staged(STOPPED);
            script.version().vm.control.stop(STOPPED);
        }
    }
}
