//! Turn functions into hook points: watch, change, refuse, answer, retry or redirect their calls at run time.
//!
//! ```
//! use hookpoint::prelude::*;
//!
//! #[derive(Debug, thiserror::Error)]
//! enum FetchError {
//!     #[error(transparent)]
//!     Refused(#[from] HookRefusal),
//! }
//!
//! #[hooked(point = "shop.fetch")]
//! fn fetch(path: String) -> Result<String, FetchError> {
//!     Ok(format!("contents of {path}"))
//! }
//!
//! # fn main() -> Result<(), HookError> {
//! assert!(fetch("/etc/passwd".into()).is_ok()); // nobody listens: one relaxed load
//!
//! let _guard = hooks().guard("no-etc", "shop.fetch", |cx| {
//!     let path: &String = cx.arg("path")?;
//!     Ok(Vote::cancel_if(path.starts_with("/etc"), "outside the workspace"))
//! })?;
//! let refused = fetch("/etc/passwd".into()).unwrap_err();
//! assert_eq!(refused.to_string(), "shop.fetch refused by hook `no-etc`: outside the workspace");
//! # Ok(())
//! # }
//! ```
//!
//! | feature | brings |
//! |---|---|
//! | `enabled` (default) | hooks at all; off, attributes return functions untouched |
//! | `test` | `hookpoint::test`, the kit for testing hooks |
//! | `builtin` | built-in hooks |
//! | `webhook` | approval by a service, over HTTP |
//! | `events` | the event bus, and what hooks did as events |
//! | `system` | `HookSystem`: configuration, required hooks, approval, events |
//! | `tools`, `agents`, `workflows` | the instrumented crates |
//! | `mcp` | a gateway in front of MCP servers, tools as an MCP server |
//! | `lua` | scripts as hook authors |
//! | `full` | all of these but `test` |

pub mod prelude;
pub mod report;
#[cfg(feature = "lua")]
pub mod script;
#[cfg(feature = "system")]
pub mod system;

pub use hooks_macros::{hook, hooked, point};
#[doc(hidden)]
pub use hooks_runtime::__private;
pub use hooks_runtime::*;

#[cfg(feature = "agents")]
pub use hooks_agents as agents;
#[cfg(feature = "builtin")]
pub use hooks_builtin as builtin;
#[cfg(feature = "events")]
pub use hooks_events as events;
#[cfg(feature = "lua")]
pub use hooks_lua as lua;
#[cfg(feature = "mcp")]
pub use hooks_mcp as mcp;
#[cfg(feature = "tools")]
pub use hooks_tools as tools;
#[cfg(feature = "workflows")]
pub use hooks_workflows as workflows;

#[cfg(feature = "system")]
pub use system::HookSystem;

/// The Rust blocks of the book and of the README compile and run as tests.
#[cfg(all(doctest, feature = "full", feature = "test"))]
mod book {
    #[doc = include_str!("../docs/guide/annotate.md")]
    struct Annotate;
    #[doc = include_str!("../docs/guide/write-a-hook.md")]
    struct WriteAHook;
    #[doc = include_str!("../docs/guide/plugin-crate.md")]
    struct PluginCrate;
    #[doc = include_str!("../docs/guide/hooks-and-events.md")]
    struct HooksAndEvents;
    #[doc = include_str!("../docs/guide/monitor.md")]
    struct Monitor;
    #[doc = include_str!("../docs/guide/records.md")]
    struct Records;
    #[doc = include_str!("../docs/guide/lua.md")]
    struct Lua;
    #[doc = include_str!("../docs/reference/api.md")]
    struct Api;
    #[doc = include_str!("../docs/reference/built-in-hooks.md")]
    struct BuiltInHooks;
    #[doc = include_str!("../docs/reference/attribute.md")]
    struct Attribute;
    #[doc = include_str!("../docs/internals/decision-algebra.md")]
    struct DecisionAlgebra;
    #[doc = include_str!("../docs/internals/generated-code.md")]
    struct GeneratedCode;
    #[doc = include_str!("../docs/troubleshooting.md")]
    struct Troubleshooting;
}
