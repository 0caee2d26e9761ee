//! What a script is, and how another version of it takes over.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hooks_runtime::inherit;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::{Reloaded, run};
use crate::control::Control;
use crate::engine::LuaEngine;
use crate::error::ScriptError;
use crate::rebuild::Keeper;
use crate::source::Files;
use crate::version::Version;

pub(super) const STOPPED: &str = "the host stopped it";
pub(super) const DROPPED: &str = "it was dropped meanwhile";

/// What a script is, for its owner and for who builds it anew.
pub(crate) struct Loaded {
    pub(crate) name: Box<str>,
    pub(crate) engine: LuaEngine,
    /// The file; nothing: it was loaded from text.
    path: Option<PathBuf>,
    /// The version that is in force.
    pub(super) current: Mutex<Arc<Version>>,
    /// Told when another one is.
    pub(crate) exchanged: Arc<Notify>,
    /// The version that is to take over, while it runs.
    staged: Mutex<Weak<Control>>,
    /// What it was made of.
    source: Mutex<Arc<str>>,
    /// What it was run with last; nothing: it never was.
    pub(super) args: Mutex<Option<Vec<Value>>>,
    /// The files of the last attempt to reload it, if that failed.
    pub(super) failed: Mutex<Files>,
    /// One reload at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// Its owner dropped it. Written under the lock of `current`: no other version takes over after that.
    pub(super) is_gone: AtomicBool,
    /// The host stopped it, and has not reloaded it.
    pub(crate) is_stopped: AtomicBool,
    pub(super) keeper: Keeper,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Loaded {
    pub(super) fn new(
        name: &str,
        engine: LuaEngine,
        path: Option<PathBuf>,
        source: String,
        version: Version,
    ) -> Self {
        Loaded {
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
        }
    }

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

    pub(super) async fn replace(&self, source: Option<String>) -> Result<Reloaded, ScriptError> {
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
    pub(super) fn stop_staged(&self, why: &str) {
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
