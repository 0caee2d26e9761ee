//! What each built-in hook does to real calls.

mod kit;
mod logging;
mod redaction;
