//! What most users of hooks need: `use hookpoint::prelude::*;`.

pub use crate::{
    Condition, DecisionRecord, GuardContext, Hook, HookContext, HookError, HookGuard, HookMetadata,
    HookPoint, HookRefusal, HookRegistration, HookRegistry, HookResult, HookScope, IntoAnswer,
    OnFailure, Outcome, Phase, PreparedHook, Priority, Role, SyncHook, Vote, async_trait, hooked,
    hooks, inventory,
};
// From where it comes: `crate::hook` would bring the module of that name, too; so would `point`.
pub use hooks_macros::{hook, point};

#[cfg(feature = "system")]
pub use crate::HookSystem;
#[cfg(feature = "builtin")]
pub use crate::builtin::TerminalApprover;
#[cfg(feature = "events")]
pub use crate::events::{Event, EventBus, HookEventSystem};
