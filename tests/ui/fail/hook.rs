use hookpoint::{DecisionRecord, GuardContext, HookContext, HookError, HookResult, Vote, hook};

#[hook(point = "tool.*", role = guard)]
fn guard_with_the_wrong_context(cx: &mut HookContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::Pass)
}

#[hook(point = "tool.*", role = guard)]
async fn async_guard_needs_mut(cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::Pass)
}

#[hook(point = "tool.*")]
fn intercept_shared(cx: &HookContext<'_>) -> Result<HookResult, HookError> {
    Ok(HookResult::Continue)
}

#[hook(point = "tool.*", role = observe)]
async fn async_observer(record: &DecisionRecord<'_>) {}

#[hook(point = "tool.*", role = observe)]
fn answering_observer(record: &DecisionRecord) -> Result<(), HookError> {
    Ok(())
}

#[hook(point = "tool.*", role = guard)]
fn silent_guard(cx: &GuardContext<'_>) {}

#[hook(point = "tool.*")]
fn nothing() -> Result<HookResult, HookError> {
    Ok(HookResult::Continue)
}

#[hook(point = "tool.*", role = boss, priority = high, phase = done, on_failur = open, timeout_ms = "1")]
fn keys(cx: &mut HookContext<'_>) {}

#[hook(point = "tool.exekute")]
fn typo(cx: &mut HookContext<'_>) {}

#[hook]
fn no_point(cx: &mut HookContext<'_>) {}

#[hook(point = "tool.*")]
struct S;

#[hook(point = "tool.*", when = "component = 'shell'")]
fn textual_condition(_cx: &mut HookContext<'_>) {}

#[hook(point = "tool.*", role = observe, when = |_| Ok(true))]
fn conditional_observer(_record: &DecisionRecord) {}

fn main() {}
