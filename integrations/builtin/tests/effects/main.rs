//! What each built-in hook does to real calls.

mod audit;
mod kit;
mod logging;
mod metrics;
mod redaction;
mod schema;
