//! What expanded code calls. Not part of the public interface: it may change in any release, together with
//! the macro, whose version is locked to the runtime's.

mod run;

pub use inventory;

pub use crate::site::{ArgInfo, ArgMode, HookSite, SiteFlags, SiteInfo};
pub use crate::view::{Access, RawPtr, RawView, ViewTable};
pub use run::{
    Facts, NoRedirect, Parts, Redirect, RedirectWith, ReturnOps, run_async, run_async_repeat,
    run_sync, run_sync_repeat,
};

/// A site in the link-time catalogue.
pub struct SiteEntry(pub &'static HookSite);
inventory::collect!(SiteEntry);
