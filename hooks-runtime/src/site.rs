//! Hook sites: the annotated functions, each a `static` with its place in the source.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use crate::executor::Scope;
use crate::point::Phase;
use crate::registry::{HookRegistry, HookSet, Snapshot, SnapshotCell, Stale};

mod linked;
mod text;

pub(crate) use linked::linked;

/// Version of the form of [`SiteInfo`]; it grows when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// What is known of a site when it is compiled.
#[derive(Debug)]
#[non_exhaustive]
pub struct SiteInfo {
    /// Version of the description's form, [`SCHEMA_VERSION`] of the runtime that the site was compiled with.
    pub schema_version: u32,
    /// Name of its hook point.
    pub point: &'static str,
    /// `module::function`, as in a backtrace.
    pub path: &'static str,
    /// Source file, as the compiler names it.
    pub file: &'static str,
    /// Line of the function's name, from 1.
    pub line: u32,
    /// The crate that it is in.
    pub package: &'static str,
    /// That crate's version.
    pub version: &'static str,
    /// What hooks see, in the order of the parameters.
    pub args: &'static [ArgInfo],
    /// Names of the extra facts (`fields(…)`).
    pub fields: &'static [&'static str],
    /// The return type as written.
    pub returns: &'static str,
    /// What the site can carry.
    pub flags: SiteFlags,
}

/// One argument of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgInfo {
    /// The name that hooks use.
    pub name: &'static str,
    /// Its type as written.
    pub ty: &'static str,
    /// Whether it is passed as `&T` or `&mut T`.
    pub by: ArgMode,
}

/// How an argument is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgMode {
    /// By value: gone once the body has run.
    Value,
    /// `&T`: readable in every phase.
    Shared,
    /// `&mut T`: the body or its result may keep it, so gone once the body has run.
    Exclusive,
}

/// What a site can carry, as far as its tokens say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SiteFlags {
    /// An `async fn` (or a future or a stream that is hooked).
    pub is_async: bool,
    /// A call is a stream, and lasts until it ends.
    pub is_stream: bool,
    /// Hooks may only watch.
    pub observe: bool,
    /// Passes only with a grant.
    pub closed: bool,
    /// The body can run again with the same arguments.
    pub repeatable: bool,
    /// Has a resolver for `Redirect`.
    pub redirect: bool,
    /// Asynchronous hooks may park the caller of this synchronous site.
    pub blocking: bool,
}

const IDLE: u8 = 0;
const UNREGISTERED: u8 = 1;
const ACTIVE: u8 = 2;

#[cfg(not(feature = "shuttle"))]
type Sets = SnapshotCell<HookSet>;
#[cfg(not(feature = "shuttle"))]
#[allow(
    clippy::declare_interior_mutable_const,
    reason = "a beginning, copied into each site"
)]
const NO_SETS: Sets = SnapshotCell::new();

// Shuttle's primitives cannot be made in a `const`.
#[cfg(feature = "shuttle")]
type Sets = std::sync::LazyLock<SnapshotCell<HookSet>>;
#[cfg(feature = "shuttle")]
#[allow(
    clippy::declare_interior_mutable_const,
    reason = "a beginning, copied into each site"
)]
const NO_SETS: Sets = std::sync::LazyLock::new(SnapshotCell::new);

/// One annotated function.
pub struct HookSite {
    state: AtomicU8,
    flags: u8,
    link: linked::Link,
    point: &'static str,
    text: &'static str,
    late: Late,
}

/// What comes with the first use.
struct Late {
    /// Read from the text when somebody asks for the first time.
    info: OnceLock<Box<SiteInfo>>,
    /// The hooks of the global registry.
    sets: Sets,
}

// SAFETY: both fields are `Sync`, which the compiler checks below. Said here because every static of a hooked
// function must be `Sync`, and without this the compiler walks through the whole registry for each of them.
unsafe impl Sync for Late {}
const _: () = {
    const fn is_sync<T: Sync>() {}
    is_sync::<OnceLock<Box<SiteInfo>>>();
    is_sync::<Sets>();
};

impl HookSite {
    /// For the macro: a site that no registry has seen yet. `text` and `flags` describe it, see `site/text.rs`.
    #[doc(hidden)]
    pub const fn new(point: &'static str, text: &'static str, flags: u8) -> Self {
        HookSite {
            state: AtomicU8::new(UNREGISTERED),
            flags,
            link: linked::Link::new(),
            point,
            text,
            late: Late {
                info: OnceLock::new(),
                sets: NO_SETS,
            },
        }
    }

    /// For the macro: takes the site into the link-time catalogue. Called before `main`.
    #[doc(hidden)]
    pub fn link(&'static self) {
        linked::enter(self);
    }

    /// Whether nobody listens: one relaxed load.
    #[inline(always)]
    pub fn is_idle(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IDLE
    }

    /// Whether a hook would be asked in that phase about a call of this site that is made here, in this scope, and
    /// now. Conditions are not looked at, since there is no call. For code that has another way for what no hook
    /// would hear of.
    pub fn asks(&'static self, phase: Phase) -> bool {
        if self.is_idle() {
            return false;
        }
        let set = match Scope::of(self).own {
            Some(set) => set,
            None => self.load_shared(),
        };
        set.all().any(|(asked, _)| asked == phase)
    }

    /// What is known of the site.
    #[inline]
    pub fn info(&self) -> &SiteInfo {
        self.late
            .info
            .get_or_init(|| Box::new(text::parse(self.point, self.text, self.flags)))
    }

    #[inline]
    pub(crate) fn is_registered(&self) -> bool {
        self.state.load(Ordering::Acquire) != UNREGISTERED
    }

    /// The hooks of the global registry, for a call on this thread's stack.
    #[inline]
    pub(crate) fn load(&self) -> Snapshot<'_, HookSet> {
        self.late.sets.load(|| self.build())
    }

    /// The same for a call that may move between threads.
    #[inline]
    pub(crate) fn load_shared(&self) -> Arc<HookSet> {
        self.late.sets.load_shared(|| self.build())
    }

    #[cold]
    fn build(&self) -> HookSet {
        HookSet::build(self.info(), HookRegistry::global().inner(), &[])
    }

    /// Takes the published set out, so that the next call builds one.
    pub(crate) fn invalidate(&self) -> Stale<HookSet> {
        self.late.sets.invalidate()
    }

    /// Sets idle or active; `listened` says whether a registry has something for this site.
    pub(crate) fn set_state(&self, listened: bool) {
        let active = listened || self.info().flags.closed;
        self.state
            .store(if active { ACTIVE } else { IDLE }, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for HookSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "HookSite({} at {}:{})",
            self.info().point,
            self.info().file,
            self.info().line
        )
    }
}
