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

fn main() {}
