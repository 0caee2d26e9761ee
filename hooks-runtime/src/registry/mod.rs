//! Registries: which hooks there are, in which order, and what each site gets of them.

mod builder;
mod explain;
mod guard;
mod hazard;
mod hooks;
mod inner;
mod life;
mod order;
mod prepared;
mod replay;
mod set;
mod snapshot;
mod target;
mod verify;

pub use builder::HookBuilder;
pub use explain::{Explanation, HookLine, Rehearsal};
#[cfg(feature = "test")]
pub(crate) use explain::{rehearsal_site, simulate};
pub use guard::HookGuard;
pub use hooks::{HookInfo, HookRegistry, hooks};
pub use life::Life;
pub use prepared::PreparedHook;
pub use replay::{Change, RecordedArg, RecordedCall, RecordedRefusal, Replayed};
pub use snapshot::{Snapshot, SnapshotCell, Stale};
pub use target::Target;
pub use verify::{Gap, SiteReport, Verification};

pub(crate) use inner::{Garbage, Inner, Kind};
pub(crate) use set::HookSet;
