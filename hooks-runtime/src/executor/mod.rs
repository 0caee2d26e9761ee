//! One call, step by step: propose, seal, decide, act, settle, done.

mod act;
mod approval;
mod ask;
mod cache;
mod call;
mod done;
mod settle;
mod verdict;
mod violation;
mod wait;

pub(crate) use act::InBody;
pub(crate) use cache::ResultCache;
pub(crate) use call::{Act, Call, Can, Loaded};
pub(crate) use settle::Settled;
pub(crate) use wait::{Wait, poll_ready};
