//! Starting, serving, draining; required hooks; what a process without policy does.

use hookpoint::test::registry;
use hookpoint::{HookError, HookMetadata, HookRefusal, Life, PreparedHook, Vote, hooked};

#[hooked(point = "life.site")]
fn site() -> Result<(), HookRefusal> {
    Ok(())
}

#[test]
fn outside_of_serving_calls_need_a_grant() {
    let kit = registry();
    let _entered = kit.enter();
    assert!(site().is_ok());
    for life in [Life::Starting, Life::Draining] {
        kit.set_life(life);
        let refusal = site().unwrap_err();
        assert_eq!(refusal.hook(), "hookpoint.life");
        let grant = kit
            .guard("grant", "life.site", |_| Ok(Vote::Allow))
            .unwrap();
        assert!(site().is_ok(), "{life:?} with a grant");
        drop(grant);
    }
    kit.set_life(Life::Serving);
    assert!(site().is_ok());
}

/// The variable is read when the global registry is made, so this needs a process of its own.
#[test]
fn a_call_before_the_policy_is_loaded_is_refused_when_policy_is_required() {
    const CHILD: &str = "HOOKPOINT_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let refused = site().unwrap_err();
        println!("refused by {}", refused.hook());
        hookpoint::HookRegistry::global().set_life(Life::Serving);
        println!("then {:?}", site().is_ok());
        return;
    }
    let name = "life::a_call_before_the_policy_is_loaded_is_refused_when_policy_is_required";
    let run = |require: &str| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .env("HOOKPOINT_REQUIRE_POLICY", require);
        let output = child.output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (ok, out) = run("1");
    assert!(
        ok && out.contains("refused by hookpoint.life") && out.contains("then true"),
        "{out}"
    );
    let (ok, out) = run("");
    assert!(
        !ok,
        "without the variable nothing is refused, so the child's unwrap_err fails: {out}"
    );
}

#[test]
fn required_hooks_stay() {
    let kit = registry();
    let g = kit
        .guard("policy", "life.site", |_| Ok(Vote::cancel("no")))
        .unwrap();
    let error = kit.require(&["polcy"]).unwrap_err().to_string();
    assert!(error.contains("did you mean `policy`?"), "{error}");
    kit.require(&["policy"]).unwrap();
    assert!(matches!(
        kit.unregister("policy"),
        Err(HookError::Required { .. })
    ));
    assert!(matches!(g.disable(), Err(HookError::Required { .. })));
    drop(g);
    let _entered = kit.enter();
    assert_eq!(
        site().unwrap_err().hook(),
        "policy",
        "the guard of the registration is gone, the hook is not"
    );
    let replaced = PreparedHook::guard(HookMetadata::new("policy").point("life.site"), |_| {
        Ok(Vote::cancel("new"))
    });
    kit.replace(&["policy"], vec![replaced])
        .unwrap()
        .into_iter()
        .for_each(|g| g.forget());
    assert_eq!(site().unwrap_err().reason(), "new");
    assert!(
        matches!(kit.unregister("policy"), Err(HookError::Required { .. })),
        "its successor is required too"
    );
}

#[test]
fn what_cannot_be_relied_on_cannot_be_required() {
    let kit = registry();
    let keep = |g: Result<hookpoint::HookGuard, HookError>| g.unwrap().forget();
    keep(
        kit.on("once")
            .point("life.site")
            .once()
            .guard(|_| Ok(Vote::Pass)),
    );
    keep(
        kit.on("shadow")
            .point("life.site")
            .shadow()
            .guard(|_| Ok(Vote::Pass)),
    );
    keep(
        kit.on("open")
            .point("life.site")
            .on_failure(hookpoint::OnFailure::Open)
            .guard(|_| Ok(Vote::Pass)),
    );
    for (id, why) in [
        ("once", "only once"),
        ("shadow", "Shadow"),
        ("open", "Open"),
    ] {
        let error = kit.require(&[id]).unwrap_err().to_string();
        assert!(error.contains(id) && error.contains(why), "{error}");
    }
}
