//! What each built-in hook does to real calls.

mod audit;
mod kit;
mod logging;
mod redaction;
mod schema;
