//! The runtime of Hookpoint: hook points, sites, hooks, and the executor that joins them.
//!
//! A function with the attribute [`hooked`] is a *site* of a hook *point*. When it is called, the hooks that a
//! *registry* has for the point are asked: *intercepts* may change arguments and results, *guards* vote on
//! what is sealed, *observers* are told when the call is done.

// The attribute expands to `::hooks_runtime::…`, here too.
extern crate self as hooks_runtime;

mod ambient;
pub mod answer;
pub mod approve;
pub mod batch;
pub mod breaker;
mod catalogue;
pub mod clock;
pub mod compose;
pub mod condition;
pub mod context;
pub mod digest;
pub mod discovery;
mod dynamic;
pub mod error;
mod executor;
pub mod hook;
pub mod monitor;
pub mod panic;
pub mod pattern;
pub mod point;
#[doc(hidden)]
pub mod private;
pub mod record;
pub mod refusal;
#[doc(hidden)]
pub mod registry;
pub mod scope;
pub mod sink;
pub mod site;
#[cfg(feature = "test")]
pub mod test;
#[doc(hidden)]
pub mod view;

#[doc(hidden)]
pub use private as __private;

pub use answer::{AskRequest, HookResult, IntoAnswer, Reach, Replacement, Restriction, Vote};
pub use approve::{Approval, ApprovalRequest, Approver};
pub use async_trait::async_trait;
pub use catalogue::sites;
pub use clock::{Clock, Sleep};
pub use condition::Condition;
pub use context::{GuardContext, HookContext, Plan};
pub use digest::Digest;
pub use discovery::{HookRegistration, link_time_hooks};
pub use dynamic::{DynamicCall, DynamicSite};
pub use error::{ArgError, HookError};
pub use executor::KeptAnswer;
pub use hook::{Hook, HookMetadata, Mode, OnFailure, Origin, Priority, Role, Source, SyncHook};
pub use hooks_macros::{runtime_hook as hook, runtime_hooked as hooked, runtime_point as point};
pub use inventory;
pub use monitor::{PerformanceGuard, PerformanceMonitor};
pub use point::{HookPoint, Phase};
pub use record::{ArgLevel, ArgRecord, DecisionRecord, HookRecord, Outcome, Redactor};
pub use refusal::HookRefusal;
pub use registry::{
    Change, Explanation, Gap, HookBuilder, HookGuard, HookInfo, HookLine, HookRegistry, Life,
    PreparedHook, RecordedArg, RecordedCall, RecordedRefusal, Rehearsal, Replayed, SiteReport,
    Target, Verification, hooks,
};
pub use scope::{Halted, HookScope, InSameScope, SameScope, inherit, spawn};
pub use sink::{Signal, Sink, Wants};
pub use site::{HookSite, SiteInfo};
