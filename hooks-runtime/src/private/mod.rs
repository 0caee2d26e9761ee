//! What expanded code calls. Not part of the public interface: it may change in any release, together with
//! the macro, whose version is locked to the runtime's.

mod bind;
mod condition;
mod frame;
mod future;
mod named;
mod probe;
mod ret;
mod run;
mod running;
mod stream;

pub use inventory;

pub use crate::answer::{HookResult, IntoAnswer, Vote};
pub use crate::condition::Condition;
pub use crate::context::{GuardContext, HookContext};
pub use crate::discovery::HookRegistration;
pub use crate::error::HookError;
pub use crate::hook::{OnFailure, Priority};
pub use crate::point::Phase;
pub use crate::record::{ArgLevel, DecisionRecord};
pub use crate::refusal::HookRefusal;
pub use crate::registry::Target;
pub use crate::site::HookSite;
pub use crate::view::{Access, RawPtr, RawView, ViewTable};
pub use bind::{
    NIL, Types, bind, bind_1, bind_2, bind_3, bind_4, bind_5, bind_6, bind_mut, bind_mut_1,
    bind_mut_2, bind_mut_3, bind_mut_4, bind_mut_5, bind_mut_6, borrowed, boxed, carry, computed,
    dup, fact, fact_debug, fact_display, facts, nest, resolver,
};
pub use condition::condition;
pub use future::output;
pub use named::{PointName, TypedPoint};
pub use probe::{
    Caps, Dd, Fb, FbDe, FbDeValue, FbTyped, FbValue, Gd, Known, Leaf, No, OPAQUE, Opaque, Plain,
    Pr, Yes, probe, view_mut, view_opt, view_ref, view_within,
};
pub use ret::{
    DdOk, FromRefusal, IsPlain, IsResult, Kind, PrErr, PrOk, Refusable, RefusableItem, RefusedWith,
    ResultParts, RetFallback, RetOf, must_refuse, must_refuse_item, only_watch, refuse_with,
    ret_of, ret_of_async, ret_of_items, returns,
};
pub use run::{
    Facts, NoRedirect, Parts, Redirect, RedirectWith, ReturnOps, run_async, run_async_repeat,
    run_sync, run_sync_repeat,
};
pub use running::{Running, running, running_repeat};
pub use stream::{ActiveStream, HookedStream, Place, pinned, run_stream, streamed};
