//! `#[hook]` with a condition.

#![deny(warnings)]

use hookpoint::{Condition, GuardContext, HookContext, HookError, Vote, hook, hooked, hooks};

#[hooked(point = "conditions.run", component = name)]
fn run(name: &str, n: u8) -> Result<u8, String> {
    Ok(n)
}

#[hook(point = "conditions.run", role = guard, id = "conditions.closure", when = |cx| Ok(cx.component() == Some("shell")))]
fn no_shell(_cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::cancel("no shell"))
}

fn is_even(cx: &GuardContext<'_>) -> Result<bool, HookError> {
    Ok(cx.arg::<u8>("n")? % 2 == 0)
}

#[hook(point = "conditions.run", id = "conditions.function", when = is_even)]
fn add_ten(cx: &mut HookContext<'_>) -> Result<(), HookError> {
    *cx.arg_mut::<u8>("n")? += 10;
    Ok(())
}

/// A condition that is a value.
struct Component(&'static str);

impl Condition for Component {
    fn holds(&self, cx: &GuardContext<'_>) -> Result<bool, HookError> {
        Ok(cx.component() == Some(self.0))
    }
}

const ADMIN: Component = Component("admin");

#[hook(point = "conditions.run", id = "conditions.constant", when = ADMIN)]
async fn add_hundred(cx: &mut HookContext<'_>) -> Result<(), HookError> {
    *cx.arg_mut::<u8>("n")? += 100;
    Ok(())
}

#[hook(point = "conditions.run", role = guard, id = "conditions.fails", when = |cx| Ok(cx.arg::<String>("n")?.is_empty()))]
fn never_asked(_cx: &GuardContext<'_>) -> Result<Vote, HookError> {
    Ok(Vote::Pass)
}

#[test]
fn a_hook_takes_part_only_where_its_condition_holds() {
    // The last hook's condition cannot be evaluated, which is a failure and not "no match".
    let failed = run("anybody", 1).unwrap_err();
    assert!(
        failed.contains("conditions.fails") && failed.contains("cx.arg::<String>"),
        "{failed}"
    );
    hooks().set_enabled("conditions.fails", false).unwrap();
    assert_eq!(run("anybody", 1), Ok(1));
    assert_eq!(run("anybody", 2), Ok(12));
    assert!(run("shell", 1).unwrap_err().contains("no shell"));
    assert_eq!(run("admin", 1), Ok(101));
}
