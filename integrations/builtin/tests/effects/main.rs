//! What each built-in hook does to real calls.

mod approval;
mod audit;
mod caching;
mod cel;
mod cost;
mod debugging;
mod kit;
mod logging;
mod metrics;
#[cfg(unix)]
mod pty;
mod rate_limit;
mod records;
mod redaction;
mod retry;
mod schema;
