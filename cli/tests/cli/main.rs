//! The command, and the system that it is built on, as people and programs meet them.

#[cfg(unix)]
mod approvals;
mod audit;
mod builtins;
mod commands;
mod configurations;
mod docs;
mod entries;
#[cfg(unix)]
mod events;
mod lua;
mod markers;
#[cfg(unix)]
mod mcp;
mod quickstart;
mod replay;
mod system;
