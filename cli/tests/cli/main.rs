//! The command, and the system that it is built on, as people and programs meet them.

mod audit;
mod commands;
mod docs;
mod entries;
#[cfg(unix)]
mod events;
mod quickstart;
mod replay;
mod system;
