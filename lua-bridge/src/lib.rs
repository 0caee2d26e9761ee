//! Hooks written in Lua, and the globals that a script works with.
//!
//! A [`LuaEngine`] loads scripts; each [`Script`] is one Luau state of its own, sandboxed, with a limit of memory
//! and a limit of time for every hook call. What a script registers with `Hook.register` lives as long as its
//! [`Script`]. Tools, agents and workflows reach scripts through the traits in [`host`], which the program that
//! embeds the engine implements.
//!
//! # What a script has
//! ```text
//! Hook.register(point|pattern, function(ctx) … end, priority?|options?) -> handle
//!   options {phase = "pre|post|error|done" or a list, role = "intercept|guard|observe" (also transform, control),
//!            priority = number or "highest|high|normal|low|lowest", name, tags, once, before, after, timeout_ms,
//!            when = function(ctx) … end or CEL as text, group,
//!            on_failure = "open|closed", mode = "enforce|shadow", desc, may_retry, args_after, pure,
//!            record_args = "names|digest|redacted|full", lossy, args = {names of arguments}, async}
//!   with `args` the function gets these arguments by position, and no ctx; with `async = true` it may wait
//!   handle:id() :point() :unregister() :enable() :disable() :stats()
//! Hook.unregister(handle|id) -> bool      Hook.list(point? | {point=, role=, tag=, own=}) -> {…}
//! Hook.clear{group=} -> count             Builtin.<kind>{points=, id=, …} -> handle
//! Hook.points(pattern?) -> {…}            Hook.explain(point, args?) -> {…}
//! Hook.call(point, args?, function(args) … end?) -> what it returns; without a function, the arguments
//! Hook.point(point, {names of arguments}?)
//! ctx.point .phase .component .call_id .correlation_id .attempt .item .elapsed_ms .args.<name> .result .error .metadata
//!   .state (a table, for this hook in this call)
//!   ctx:deadline() -> ms that are left for the hook
//!   observers: also .items .outcome .plan .executed .refusal .record
//! answers: nil | "continue" | Result.cancel(reason) .ask(question | {question=}) .halt(reason) .allow() .replace(value)
//!   .cache{key=, ttl_ms=} .redirect(to) .retry{delay_ms=, max_attempts=} | {type = "modified", data = …} and the like
//! Tool.list() .get(name) .invoke(name, params)
//! Agent.create{name=, model = {script = {…}}, tools=, instructions=} -> agent
//!   agent:name() :state() :initialize() :execute(input) :invokeTool(name, params) :pause() :resume() :stop()
//! Workflow.sequential{name=, steps = {…}, on_error=} -> workflow        workflow:name() :run(input)
//!   steps {name=, tool=, params=} {name=, agent=, input=} {name=, run = function(state, input) … end, input=};
//!   each also save_as=, on_error = "fail" | "continue" | {retry = {max_attempts=, delay_ms=}}
//! Log.debug|info|warn|error(message, fields?)   Json.encode(value, {pretty=}?) .decode(text) .array(table?) .null
//! Time.now() -> ms .iso(ms?) .sleep(ms)   Script.info() -> {…} .requires(names) .on_unload(function() … end)   print(…)
//! require(path) -> what the file returns  Env.<name> -> what the host set
//! ```
//! `require` finds files beneath the folder of the script only. [`Script::reload`] puts a new version of a script in
//! the place of the running one, in one step for every call; [`Watch`] says when its files were changed.
//!
//! Luau's own libraries are there but for what leads out of the sandbox: `math`, `string`, `table`, `coroutine`,
//! `bit32`, `buffer`, `utf8`, `vector`, and of `os` `time`, `clock`, `date` and `difftime`. Functions that wait
//! (`Tool.invoke`, `Hook.call`, `Time.sleep`, those of agents and workflows) can be called in the script itself, in event handlers,
//! in workflow steps, and in hooks that are registered with `async = true`: those are awaited at asynchronous sites,
//! and fail at synchronous ones if they have to wait.
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

#![deny(unsafe_code)]

mod agent_api;
mod allowance;
mod answer;
pub mod api;
mod approval_api;
mod bind;
mod bounded;
mod builtin_api;
mod call_state;
mod context;
mod control;
mod convert;
mod engine;
mod error;
mod event_api;
mod event_handler;
mod gate;
mod hook_api;
mod hook_call;
mod hook_handle;
mod hook_options;
pub mod host;
mod json_api;
mod log_api;
mod lua_condition;
mod lua_hook;
mod memory;
mod options;
mod proxy;
mod raw;
mod rebuild;
mod record;
mod registrations;
mod require;
mod rights;
mod run;
mod sandbox;
mod scalar;
mod script;
mod script_api;
mod source;
mod states;
mod subscriptions;
mod time_api;
mod tool_api;
mod unload;
mod version;
mod vm;
mod watch;
mod watchdog;
mod workflow_api;

pub use engine::{LuaEngine, LuaEngineBuilder};
pub use error::{LuaError, ScriptError};
pub use log_api::{LogLevel, LogLine};
pub use rights::{Capability, CapabilityError, Rights};
pub use script::{Reloaded, Script, ScriptStopper};
pub use watch::{Change, Watch};
