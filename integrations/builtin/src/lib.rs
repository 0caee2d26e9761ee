//! Built-in hooks: what most programs want, each with the same words in Rust, in a configuration file and in Lua.
//!
//! Every one is a type with options, which become hooks where it is placed:
//!
//! ```
//! use hooks_builtin::{BuiltinHook as _, LoggingHook, Placement};
//! use hooks_runtime::hooks;
//!
//! # fn main() -> Result<(), hooks_builtin::BuiltinError> {
//! let logging = LoggingHook::new().level(hooks_builtin::Level::Debug).slow_ms(500);
//! let _registered = logging.register(&hooks(), Placement::new("log").point("tool.*"))?;
//! # Ok(())
//! # }
//! ```
//!
//! In a configuration the same is
//!
//! ```toml
//! [[hook]]
//! kind = "logging"
//! id = "log"
//! points = ["tool.*"]
//! level = "debug"
//! slow_ms = 500
//! ```

#![forbid(unsafe_code)]

mod approval;
mod audit;
mod caching;
mod cel;
mod cost;
mod debugging;
mod error;
mod files;
mod keys;
mod kinds;
mod live;
mod logging;
mod metrics;
mod placement;
mod rate_limit;
mod records;
mod redaction;
mod retry;
mod schema;
mod waiting;

pub use self::cel::{CelCondition, CelHook, CelLimits, CelMode, CelPhase, CelRule, CelThen};
#[cfg(feature = "webhook")]
pub use approval::WebhookApprover;
pub use approval::{
    ApprovalError, ApprovalFolder, ApprovalHook, ApprovalState, ChannelApprover, KeptRequest,
    Question, Questions, TerminalApprover, TokenApprover,
};
pub use audit::{AuditHook, AuditRule, Severity, Verified, verify};
pub use caching::CachingHook;
pub use cost::{
    BadMoney, Budget, CostAlert, CostHook, Exceeded, Ledger, LedgerEntry, Money, Price,
    StreamUsage, Units, UnknownPrice,
};
pub use debugging::{CallFilter, CallRing, CallTrace, DebuggingHook, RingFigures};
pub use error::BuiltinError;
pub use kinds::{BuiltinHook, KINDS, Kind, Needs, Replay, kind};
pub use logging::{Level, LoggingHook};
pub use metrics::{Metrics, MetricsHook};
pub use placement::{Placement, Registered};
pub use rate_limit::{Per, RateAction, RateLimitHook};
pub use records::{Full, RecordsHook};
pub use redaction::{RedactionHook, Redacts, Unseen};
pub use retry::{Backoff, Jitter, RetryHook};
pub use schema::SchemaHook;
