//! Scripts against real hooked functions, real tools, agents and workflows.

#[path = "bridge/answers.rs"]
mod answers;
#[path = "bridge/api.rs"]
mod api;
#[path = "bridge/approval.rs"]
mod approval;
#[path = "bridge/call_state.rs"]
mod call_state;
#[path = "bridge/calls.rs"]
mod calls;
#[path = "bridge/context.rs"]
mod context;
#[path = "bridge/events.rs"]
mod events;
#[path = "bridge/failures.rs"]
mod failures;
#[path = "bridge/globals.rs"]
mod globals;
#[path = "bridge/hostile.rs"]
mod hostile;
#[path = "bridge/hosts.rs"]
mod hosts;
#[path = "bridge/kit.rs"]
mod kit;
#[path = "bridge/plain.rs"]
mod plain;
#[path = "bridge/rebuild.rs"]
mod rebuild;
#[path = "bridge/registration.rs"]
mod registration;
#[path = "bridge/reload.rs"]
mod reload;
#[path = "bridge/rights.rs"]
mod rights;
#[path = "bridge/round_trips.rs"]
mod round_trips;
#[path = "bridge/stopping.rs"]
mod stopping;
#[path = "bridge/surface.rs"]
mod surface;
#[path = "bridge/threads.rs"]
mod threads;
#[path = "bridge/unload.rs"]
mod unload;
#[path = "bridge/waiting.rs"]
mod waiting;
