//! Watching the files of scripts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{PollWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::error::ScriptError;
use crate::script::Script;
use crate::source::{Files, fingerprint_of};

/// Says which scripts are to be reloaded because one of their files is another one now: their own, or one that they
/// require. What counts is what is in the files: writing the same once more is no change.
///
/// ```no_run
/// # async fn keep(script: std::sync::Arc<hooks_lua::Script>) -> Result<(), hooks_lua::ScriptError> {
/// use hooks_lua::{Change, Watch};
///
/// let mut watch = Watch::new(vec![script])?;
/// loop {
///     for change in watch.changed().await? {
///         match change {
///             Change::Reload(script) => println!("{:?}", script.reload().await),
///             Change::Loop(script) => println!("{} changes itself", script.name()),
///             _ => {}
///         }
///     }
/// }
/// # }
/// ```
pub struct Watch {
    scripts: Vec<Watched>,
    watcher: Box<dyn Watcher + Send>,
    /// Whether the system's own notices could not be had.
    polls: bool,
    folders: BTreeSet<PathBuf>,
    something: Arc<Notify>,
    debounce: Duration,
    loop_limit: u32,
    loop_window: Duration,
}

struct Watched {
    script: Arc<Script>,
    /// What was in the files when it was last said to be reloaded.
    seen: Files,
    /// When that was, and how often in a row it was soon after the time before.
    said: Option<Instant>,
    in_a_row: u32,
}

/// What [`Watch::changed`] says of a script.
#[derive(Debug)]
#[non_exhaustive]
pub enum Change {
    /// A file of it was changed: reload it.
    Reload(Arc<Script>),
    /// It was changed again and again, each time soon after it was reloaded, as a script does that writes its own
    /// files. This change is left out; the next one counts again.
    Loop(Arc<Script>),
}

/// How often files are looked at where the system gives no notices.
const POLL: Duration = Duration::from_secs(1);

impl Watch {
    /// Watches the files of these scripts. What changed since a script was loaded counts as a change.
    ///
    /// # Errors
    /// [`ScriptError::Watch`]: the system can't watch, or a folder is not there.
    pub fn new(scripts: Vec<Arc<Script>>) -> Result<Self, ScriptError> {
        let something = Arc::new(Notify::new());
        let watched = |script: Arc<Script>| Watched {
            seen: script.known_files(),
            script,
            said: None,
            in_a_row: 0,
        };
        let notices = notify::recommended_watcher(wake(&something));
        let (watcher, polls): (Box<dyn Watcher + Send>, bool) = match notices {
            Ok(watcher) => (Box::new(watcher), false),
            Err(_) => (Box::new(poller(&something)?), true),
        };
        let mut watch = Watch {
            scripts: scripts.into_iter().map(watched).collect(),
            watcher,
            polls,
            folders: BTreeSet::new(),
            something,
            debounce: Duration::from_millis(200),
            loop_limit: 5,
            loop_window: Duration::from_secs(2),
        };
        watch.follow()?;
        Ok(watch)
    }

    /// How long files must be left alone before a change counts: editors write in several steps. Default 200 ms. A
    /// file that is written all the time is looked at after ten times as long.
    #[must_use]
    pub fn debounce(mut self, quiet: Duration) -> Self {
        self.debounce = quiet;
        self
    }

    /// How often in a row a script may be changed within `window` after it was to be reloaded. Default five times
    /// within 2 s.
    #[must_use]
    pub fn loop_limit(mut self, times: u32, window: Duration) -> Self {
        (self.loop_limit, self.loop_window) = (times, window);
        self
    }

    /// Waits until there is a change, and gives one for each script that has one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ScriptError::Watch`]: a folder that a script requires from can't be watched.
    pub async fn changed(&mut self) -> Result<Vec<Change>, ScriptError> {
        loop {
            // A reload may have required new files.
            self.follow()?;
            let changes: Vec<_> = self.look();
            if !changes.is_empty() {
                return Ok(changes);
            }
            self.something.notified().await;
            self.settle().await;
        }
    }

    /// Waits until nothing has happened for a while.
    async fn settle(&self) {
        let last = Instant::now() + self.debounce * 10;
        while Instant::now() < last
            && timeout(self.debounce, self.something.notified())
                .await
                .is_ok()
        {}
    }

    fn look(&mut self) -> Vec<Change> {
        let (limit, window) = (self.loop_limit, self.loop_window);
        let changes = self.scripts.iter_mut();
        changes
            .filter_map(|watched| watched.look(limit, window))
            .collect()
    }

    /// Watches the folders that files came from.
    fn follow(&mut self) -> Result<(), ScriptError> {
        let files = self
            .scripts
            .iter()
            .flat_map(|watched| watched.script.files());
        let folders: BTreeSet<PathBuf> = files.filter_map(|file| nearest_folder(&file)).collect();
        for folder in folders {
            if self.folders.contains(&folder) {
                continue;
            }
            if self.watch(&folder).is_err() && !self.polls {
                self.poll_instead()?;
            }
            self.watch(&folder)
                .map_err(|error| failed(&folder, &error))?;
            self.folders.insert(folder);
        }
        Ok(())
    }

    fn watch(&mut self, folder: &Path) -> notify::Result<()> {
        self.watcher.watch(folder, RecursiveMode::NonRecursive)
    }

    /// The system has no notices left to give, so files are looked at from time to time.
    fn poll_instead(&mut self) -> Result<(), ScriptError> {
        self.watcher = Box::new(poller(&self.something)?);
        self.polls = true;
        for folder in self.folders.clone() {
            self.watch(&folder)
                .map_err(|error| failed(&folder, &error))?;
        }
        Ok(())
    }
}

impl Watched {
    fn look(&mut self, limit: u32, window: Duration) -> Option<Change> {
        let longest = self.script.engine().source_limit();
        let loaded = self.script.known_files();
        let is = |path: &PathBuf| fingerprint_of(path, longest).ok();
        let now: Files = loaded.keys().map(|path| (path.clone(), is(path))).collect();
        let before = |path| self.seen.get(path).or_else(|| loaded.get(path));
        if now.iter().all(|(path, is)| before(path) == Some(is)) {
            return None;
        }
        self.seen = now;
        let soon = self.said.is_some_and(|said| said.elapsed() < window);
        self.in_a_row = if soon { self.in_a_row + 1 } else { 0 };
        self.said = Some(Instant::now());
        if self.in_a_row < limit {
            return Some(Change::Reload(self.script.clone()));
        }
        // The one that was just left out began a new row.
        self.in_a_row = 0;
        Some(Change::Loop(self.script.clone()))
    }
}

/// The folder of a file, or the nearest one that is there.
fn nearest_folder(file: &Path) -> Option<PathBuf> {
    let mut folders = file.ancestors().skip(1);
    let folder = folders.find(|folder| folder.as_os_str().is_empty() || folder.is_dir())?;
    let here = folder.as_os_str().is_empty();
    Some(if here { ".".into() } else { folder.to_owned() })
}

fn wake(something: &Arc<Notify>) -> impl Fn(notify::Result<notify::Event>) + Send + 'static {
    let something = Arc::clone(something);
    // A notice that went wrong may have been one of a change: looking costs little.
    move |notice| {
        if !notice.is_ok_and(|event| event.kind.is_access()) {
            something.notify_one();
        }
    }
}

fn poller(something: &Arc<Notify>) -> Result<PollWatcher, ScriptError> {
    let config = notify::Config::default().with_poll_interval(POLL);
    PollWatcher::new(wake(something), config).map_err(|error| failed(Path::new("."), &error))
}

fn failed(path: &Path, error: &notify::Error) -> ScriptError {
    ScriptError::Watch {
        path: path.to_owned(),
        cause: error.to_string(),
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("folders", &self.folders)
            .field("polls", &self.polls)
            .finish_non_exhaustive()
    }
}
