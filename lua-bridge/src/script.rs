//! A loaded script.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hooks_runtime::{hooked, inherit};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::control::Control;
use crate::engine::LuaEngine;
use crate::error::ScriptError;
use crate::rebuild::Keeper;
use crate::require::admit;
use crate::source::Files;
use crate::version::Version;
use crate::vm::Slot;

/// A script with its state and its hooks; dropping it unregisters them, and has it do what it gave to
/// `Script.on_unload`.
pub struct Script(Arc<Loaded>);

const STOPPED: &str = "the host stopped it";
const DROPPED: &str = "it was dropped meanwhile";

/// What a script is, for its owner and for who builds it anew.
pub(crate) struct Loaded {
    pub(crate) name: Box<str>,
    pub(crate) engine: LuaEngine,
    /// The file; nothing: it was loaded from text.
    path: Option<PathBuf>,
    /// The version that is in force.
    current: Mutex<Arc<Version>>,
    /// Told when another one is.
    pub(crate) exchanged: Arc<Notify>,
    /// The version that is to take over, while it runs.
    staged: Mutex<Weak<Control>>,
    /// What it was made of.
    source: Mutex<Arc<str>>,
    /// What it was run with last; nothing: it never was.
    args: Mutex<Option<Vec<Value>>>,
    /// The files of the last attempt to reload it, if that failed.
    failed: Mutex<Files>,
    /// One reload at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// Its owner dropped it. Written under the lock of `current`: no other version takes over after that.
    is_gone: AtomicBool,
    /// The host stopped it, and has not reloaded it.
    pub(crate) is_stopped: AtomicBool,
    keeper: Keeper,
}

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
        source: String,
        version: Version,
    ) -> Self {
        Script(Arc::new(Loaded {
            name: name.into(),
            engine,
            path,
            current: Mutex::new(Arc::new(version)),
            exchanged: Arc::default(),
            staged: Mutex::default(),
            source: Mutex::new(source.into()),
            args: Mutex::default(),
            failed: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
            is_gone: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            keeper: Keeper::default(),
        }))
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

impl Loaded {
    pub(crate) fn version(&self) -> Arc<Version> {
        lock(&self.current).clone()
    }

    pub(crate) fn source(&self) -> Arc<str> {
        lock(&self.source).clone()
    }

    /// Publishes what came of a reload; `limit`: the one for which it was built anew.
    pub(crate) fn tell(&self, reloaded: &Result<Reloaded, ScriptError>, limit: Option<&str>) {
        let mut told = match reloaded {
            Ok(new) => json!({"script": self.name, "ok": true, "hooks": new.hooks}),
            Err(error) => json!({"script": self.name, "ok": false, "error": error.to_string()}),
        };
        if let Some(limit) = limit {
            told["reason"] = json!(limit);
        }
        self.engine.tell("script.reload", told);
    }

    /// Unloads a version, also if nobody waits for it. Its state goes when its last call is done, which is here if there
    /// is none.
    async fn unload(&self, old: Arc<Version>) {
        let (functions, engine) = (old.end(), self.engine.clone());
        if functions.is_empty() {
            return;
        }
        let unloads = move || engine.unload(&old, &functions);
        let Ok(runtime) = Handle::try_current() else {
            return unloads();
        };
        // Its state may be in use: that keeps a thread for the limit, which must not be one that drives futures.
        let unloads = inherit(async move { unloads() });
        let unloaded = runtime
            .clone()
            .spawn_blocking(move || runtime.block_on(unloads));
        if let Err(error) = unloaded.await {
            self.engine
                .warn(&self.name, format!("Script.on_unload: {error}"));
        }
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
        let kept: Arc<str> = source.as_str().into();
        let new = self.engine.staged(&self.name, source, sources)?;
        self.stage(&new)?;
        let args = lock(&self.args).clone();
        let result = match args {
            Some(args) => run(&self.name, args, &new).await?,
            None => Value::Null,
        };
        let hooks_of_new = Arc::clone(&new.registrations);
        let old = self.exchange(new)?;
        *lock(&self.source) = kept;
        let hooks = hooks_of_new.ids();
        self.unload(old).await;
        Ok(Reloaded { hooks, result })
    }

    /// From now on the version is stopped with the script.
    ///
    /// # Errors
    /// Nobody wants it any more.
    fn stage(&self, new: &Version) -> Result<(), ScriptError> {
        *lock(&self.staged) = Arc::downgrade(&new.vm.control);
        // Who says so from here on finds it.
        self.wanted()
    }

    /// Stops the version that is to take over, if there is one.
    fn stop_staged(&self, why: &str) {
        let staged = lock(&self.staged).upgrade();
        if let Some(staged) = staged {
            staged.stop(why);
        }
    }

    /// # Errors
    /// Its owner dropped or stopped it meanwhile.
    pub(crate) fn wanted(&self) -> Result<(), ScriptError> {
        let why = if self.is_gone.load(Ordering::Acquire) {
            DROPPED
        } else if self.is_stopped.load(Ordering::Acquire) {
            "it was stopped meanwhile"
        } else {
            return Ok(());
        };
        Err(ScriptError::NotReloaded {
            script: self.name.to_string(),
            why: why.into(),
        })
    }

    /// Puts a version in force; the one before.
    fn exchange(&self, new: Version) -> Result<Arc<Version>, ScriptError> {
        let mut current = lock(&self.current);
        if self.is_gone.load(Ordering::Relaxed) {
            return Err(ScriptError::NotReloaded {
                script: self.name.to_string(),
                why: DROPPED.into(),
            });
        }
        new.take_over(&current)?;
        let old = std::mem::replace(&mut *current, Arc::new(new));
        let version = Arc::clone(&current);
        drop(current);
        // It was stopped while it was built anew.
        if self.is_stopped.load(Ordering::Acquire) {
            version.vm.control.stop(STOPPED);
        }
        self.exchanged.notify_one();
        Ok(old)
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
