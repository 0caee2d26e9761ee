//! Hooks written in Lua, and the globals that a script works with.
//!
//! A [`LuaEngine`] loads scripts; each [`Script`] is one Luau state of its own, sandboxed, with a limit of memory
//! and a limit of time for every hook call. What a script registers with `Hook.register` lives as long as its
//! [`Script`]. Tools, agents and workflows reach scripts through the traits in [`host`], which the program that
//! embeds the engine implements.
//!
//! ```
//! use hooks_lua::LuaEngine;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), hooks_lua::ScriptError> {
//! let engine = LuaEngine::builder().build();
//! let script = engine.load_source("policy.lua", r#"
//!     Hook.register("tool.execute", function(ctx)
//!         if ctx.component == "hash_calculator" then return Result.cancel("no hashing today") end
//!     end, {role = "guard", name = "no-hashing"})
//!     return #Hook.list()
//! "#)?;
//! assert_eq!(script.execute().await?, 1);
//! assert_eq!(script.hooks(), ["no-hashing"]);
//! # Ok(()) }
//! ```

mod agent_api;
mod answer;
mod bind;
mod context;
mod control;
mod convert;
mod engine;
mod error;
mod gate;
mod hook_api;
mod hook_options;
pub mod host;
mod json_api;
mod log_api;
mod lua_hook;
mod options;
mod record;
mod registrations;
mod run;
mod sandbox;
mod script;
mod tool_api;
mod vm;
mod workflow_api;

pub use engine::{LuaEngine, LuaEngineBuilder};
pub use error::{LuaError, ScriptError};
pub use log_api::{LogLevel, LogLine};
pub use script::{Script, ScriptStopper};
