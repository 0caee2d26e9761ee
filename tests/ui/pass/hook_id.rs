//! Without an `id`, a hook is called after its package and its function.
use hookpoint::prelude::*;

#[hook(point = "tool.*", role = guard)]
fn business_hours(_cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::Pass)
}

fn main() {
    let ids: Vec<_> = hookpoint::link_time_hooks().iter().map(|hook| hook.id()).collect();
    assert_eq!(ids, [concat!(env!("CARGO_PKG_NAME"), ".business_hours")]);
    assert!(hooks().problems().is_empty());
}
