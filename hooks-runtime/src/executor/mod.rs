//! One call, step by step: propose, seal, decide, act, settle, done.

mod act;
mod approval;
mod ask;
mod cache;
mod call;
mod done;
mod ledger;
mod quiet;
mod run;
mod settle;
mod stream;
mod verdict;
mod violation;
mod wait;

pub use cache::KeptAnswer;
pub(crate) use cache::{CacheKey, ResultCache};
pub(crate) use call::{Call, Can, Scope};
pub(crate) use run::{Args, Body, Frame, Value, asynchronous, sync};
pub(crate) use stream::{Outlet, stream};
pub(crate) use verdict::{Said, plain};
pub(crate) use violation::tell_sinks;
pub(crate) use wait::{Wait, poll_ready};
