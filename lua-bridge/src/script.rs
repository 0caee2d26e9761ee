//! A loaded script.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hooks_runtime::hooked;
use serde_json::{Value, json};

use crate::engine::LuaEngine;
use crate::error::ScriptError;
use crate::require::admit;
use crate::source::Files;
use crate::version::Version;
use crate::vm::Slot;

/// A script with its state and its hooks; dropping it unregisters them.
pub struct Script {
    name: Box<str>,
    engine: LuaEngine,
    /// The file; nothing: it was loaded from text.
    path: Option<PathBuf>,
    current: Arc<Current>,
    /// What it was run with last; nothing: it never was.
    args: Mutex<Option<Vec<Value>>>,
    /// The files of the last attempt to reload it, if that failed.
    failed: Mutex<Files>,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
}

/// The version that is in force.
type Current = Mutex<Arc<Version>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        version: Version,
    ) -> Self {
        Script {
            name: name.into(),
            engine,
            path,
            current: Arc::new(Mutex::new(Arc::new(version))),
            args: Mutex::default(),
            failed: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
        }
    }

    fn version(&self) -> Arc<Version> {
        lock(&self.current).clone()
    }

    /// Its name: the path that it was loaded from.
    pub fn name(&self) -> &str {
        &self.name
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
        *lock(&self.args) = Some(args.clone());
        run(&self.name, args, &self.version()).await
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
        let _one_at_a_time = self.reloading.lock().await;
        let reloaded = reload(&self.name, self, source).await;
        let told = match &reloaded {
            Ok(new) => json!({"script": self.name, "ok": true, "hooks": new.hooks}),
            Err(error) => json!({"script": self.name, "ok": false, "error": error.to_string()}),
        };
        self.engine.tell("script.reload", told);
        reloaded
    }

    async fn replace(&self, source: Option<String>) -> Result<Reloaded, ScriptError> {
        let sources = self.engine.sources(self.path.as_deref());
        let made = self.replace_by(source, &sources).await;
        // What a failed attempt read is watched too: there is the mistake.
        *lock(&self.failed) = match &made {
            Ok(_) => Files::default(),
            Err(_) => sources.files(),
        };
        made
    }

    async fn replace_by(
        &self,
        source: Option<String>,
        sources: &Arc<crate::source::Sources>,
    ) -> Result<Reloaded, ScriptError> {
        let source = match (source, &self.path) {
            (Some(source), _) => source,
            (None, Some(path)) => sources.read(path)?,
            (None, None) => {
                return Err(ScriptError::NotReloaded {
                    script: self.name.to_string(),
                    why: "it was loaded from text: give the new text to `reload_source`".into(),
                });
            }
        };
        let new = self.engine.staged(&self.name, source, sources)?;
        let args = lock(&self.args).clone();
        let result = match args {
            Some(args) => run(&self.name, args, &new).await?,
            None => Value::Null,
        };
        let old = self.version();
        new.take_over(&old)?;
        let hooks = new.registrations.ids();
        // The state goes when its last call is done, which is here if there is none.
        *lock(&self.current) = Arc::new(new);
        drop(old);
        Ok(Reloaded { hooks, result })
    }

    /// The files that it is made of: its own and those that it requires, also those that were looked for in vain.
    /// Those of a reload that failed count as well.
    pub fn files(&self) -> Vec<PathBuf> {
        self.known_files().into_keys().collect()
    }

    pub(crate) fn known_files(&self) -> Files {
        let mut files = self.version().sources.files();
        files.extend(lock(&self.failed).clone());
        files
    }

    pub(crate) fn engine(&self) -> &LuaEngine {
        &self.engine
    }

    /// The ids of the hooks that it has registered, sorted.
    pub fn hooks(&self) -> Vec<String> {
        self.version().registrations.ids()
    }

    /// Ends its subscriptions that have no function: once it has run to its end, nobody receives their events.
    pub fn end_receiving(&self) {
        self.version().subscriptions.end_queues();
    }

    /// Why it can't be used any more: it hit a limit or was stopped. Its hooks fail then, until it is reloaded.
    pub fn stopped(&self) -> Option<String> {
        self.version().vm.control.ended().map(str::to_owned)
    }

    /// Stops it from anywhere, also in the middle of a loop.
    pub fn stopper(&self) -> ScriptStopper {
        ScriptStopper {
            current: Arc::downgrade(&self.current),
        }
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
async fn reload(
    script: &str,
    of: &Script,
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
    current: Weak<Current>,
}

impl ScriptStopper {
    /// Stops the script for good: the code under way fails at its next step, and its hooks fail from then on, until
    /// it is reloaded.
    pub fn stop(&self) {
        if let Some(current) = self.current.upgrade() {
            let version = lock(&current).clone();
            version.vm.control.end("the host stopped it");
        }
    }
}
