//! What each built-in hook does to real calls.

mod caching;
mod kit;
mod logging;
mod rate_limit;
mod retry;
