use hookpoint::{GuardContext, HookContext, HookError, hook};

#[hook(point = "tool.*", role = guard)]
fn votes_with_a_bool(_cx: &GuardContext<'_>) -> Result<bool, HookError> {
    Ok(true)
}

#[hook(point = "tool.*")]
fn answers_with_a_bool(_cx: &mut HookContext<'_>) -> bool {
    true
}

#[hook(point = "tool.*")]
async fn answers_with_a_number(_cx: &mut HookContext<'_>) -> u8 {
    1
}

#[hook(point = "tool.*", when = |cx| cx.component().is_some())]
fn condition_that_cannot_fail(_cx: &mut HookContext<'_>) {}

#[hook(point = "tool.*", when = 1 + 1)]
fn condition_that_is_none(_cx: &mut HookContext<'_>) {}

fn main() {}
