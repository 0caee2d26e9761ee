//! Hot reload: one step for calls, the old version where the new one fails, `require`, watched files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hooks_events::EventBus;
use hooks_lua::{Change, LuaEngine, Script, ScriptError, Watch};
use hooks_runtime::test::{TestRegistry, registry};
use serde_json::json;

use crate::kit::{block_on, buy, engine, order};

/// A script of which two hooks belong together: either both say the number, or neither.
fn pair(number: usize) -> String {
    format!(
        "Hook.register('shop.buy', function(ctx) ctx.args.order.count = {number} end, {{name = 'first', priority = 'high'}})
         Hook.register('shop.buy', function(ctx) ctx.args.order.note = ctx.args.order.count .. '/{number}' end, {{name = 'second', priority = 'low'}})"
    )
}

fn loaded(engine: &LuaEngine, registry: &TestRegistry, code: &str) -> Script {
    let script = engine.load_source("shop.lua", code).unwrap();
    block_on(registry.wrap(script.execute())).unwrap();
    script
}

fn note(registry: &TestRegistry) -> String {
    let _entered = registry.enter();
    let bought = buy("corner", order("tea")).unwrap();
    bought["order"]["note"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

#[test]
fn hooks_are_exchanged_in_one_step_under_calls() {
    // 10,000 versions in release builds; a debug build would take minutes.
    let cycles: usize = if cfg!(debug_assertions) { 500 } else { 10_000 };
    let (registry, engine) = (registry(), engine().build());
    registry.stop_recording();
    let script = loaded(&engine, &registry, &pair(0));
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    let note = note(&registry);
                    let (first, second) = note.split_once('/').expect("both were asked");
                    assert_eq!(first, second, "hooks of two versions were asked");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        block_on(registry.wrap(async {
            for number in 1..=cycles {
                script.reload_source(&pair(number)).await.unwrap();
                // The one in force, and at most what the two calls are in.
                assert!(engine.states() <= 3, "{} states", engine.states());
            }
        }));
        over.store(true, Ordering::Release);
    });
    assert!(calls.load(Ordering::Relaxed) > 0);
    assert_eq!(note(&registry), format!("{cycles}/{cycles}"));
    assert_eq!((engine.states(), registry.list().len()), (1, 2));
    drop(script);
    assert_eq!((engine.states(), registry.list().len()), (0, 0));
}

#[test]
fn what_is_wrong_with_the_new_version_keeps_the_old_one() {
    let bus = EventBus::new();
    block_on(async {
        let (registry, engine) = (registry(), engine().events(bus.clone()).build());
        let _theirs = registry.intercept("theirs", "shop.buy", |_| ()).unwrap();
        let script = engine.load_source("shop.lua", &pair(1)).unwrap();
        registry.wrap(script.execute()).await.unwrap();
        let mut told = bus.subscribe("script.reload").stream().unwrap();
        let register =
            |options: &str| format!("Hook.register('shop.buy', function() end, {options})");
        for (code, why) in [
            ("local = 1".to_owned(), "syntax error at shop.lua:1"),
            (format!("{} error('late')", pair(2)), "late"),
            (register("{name = 'theirs'}"), "theirs"),
            (
                format!("{} {}", register("{name = 'x'}"), register("{name = 'x'}")),
                "shop.lua:1",
            ),
            (
                "Hook.register('tool.exekute', function() end)".to_owned(),
                "tool.exekute",
            ),
        ] {
            let error = registry
                .wrap(script.reload_source(&code))
                .await
                .unwrap_err();
            assert!(error.to_string().contains(why), "{code}: {error}");
            assert_eq!(note(&registry), "1/1");
            let event = told.recv().await.unwrap();
            let event = event.event().unwrap().json().unwrap().clone();
            assert_eq!(event["ok"], false);
            assert!(event["error"].as_str().unwrap().contains(why), "{event}");
            assert_eq!(engine.states(), 1, "{code}");
        }
        let _guard = registry
            .guard(
                "frozen",
                "script.reload",
                |_: &hooks_runtime::GuardContext<'_>| Ok(hooks_runtime::Vote::cancel("not today")),
            )
            .unwrap();
        let refused = registry.wrap(script.reload_source(&pair(3))).await;
        assert!(
            matches!(refused, Err(ScriptError::Refused(_))),
            "{refused:?}"
        );
        assert_eq!(note(&registry), "1/1");
        drop(_guard);
        let reloaded = registry.wrap(script.reload_source(&pair(4))).await.unwrap();
        assert_eq!(reloaded.hooks, ["first", "second"]);
        assert_eq!(note(&registry), "4/4");
        for point in ["script.load", "script.execute", "script.reload"] {
            assert_eq!(
                registry.last(point).component(),
                Some("shop.lua"),
                "{point}"
            );
        }
    });
}

#[test]
fn a_required_hook_may_be_changed_and_not_be_dropped() {
    let (registry, engine) = (registry(), engine().build());
    let guard = |says: &str| {
        format!(
            "Hook.register('shop.buy', function() return Result.cancel('{says}') end, {{name = 'g', role = 'guard'}})"
        )
    };
    let script = loaded(&engine, &registry, &guard("one"));
    registry.require(&["g"]).unwrap();
    let reload = |code: &str| block_on(registry.wrap(script.reload_source(code)));
    let error = reload("return 1").unwrap_err().to_string();
    assert!(error.contains("required"), "{error}");
    reload(&guard("two")).unwrap();
    let _entered = registry.enter();
    assert!(
        buy("corner", order("tea"))
            .unwrap_err()
            .to_string()
            .contains("two")
    );
}

#[test]
fn a_stopped_script_works_again_after_it_is_reloaded() {
    let registry = registry();
    let engine = LuaEngine::builder()
        .hook_time_limit(Duration::from_millis(40))
        .build();
    let script = loaded(
        &engine,
        &registry,
        "Hook.register('shop.buy', function() while true do end end, {name = 'g'})",
    );
    let bought = || {
        let _entered = registry.enter();
        buy("corner", order("tea")).map(|_| ())
    };
    assert!(bought().is_err() && script.stopped().is_some());
    block_on(
        registry
            .wrap(script.reload_source("Hook.register('shop.buy', function() end, {name = 'g'})")),
    )
    .unwrap();
    assert!(bought().is_ok() && script.stopped().is_none());
}

#[test]
fn a_hook_that_is_switched_off_or_taken_back_while_it_loads_stays_so() {
    let (registry, engine) = (registry(), engine().build());
    let script = loaded(&engine, &registry, &pair(1));
    let code = "
        local off = Hook.register('shop.buy', function() end, {name = 'off'})
        off:disable()
        Hook.register('shop.buy', function() end, {name = 'gone'}):unregister()
        return Hook.unregister('nobody')";
    let reloaded = block_on(registry.wrap(script.reload_source(code))).unwrap();
    assert_eq!(
        (reloaded.hooks.as_slice(), reloaded.result),
        (&["off".to_owned()][..], json!(false))
    );
    assert!(!registry.list()[0].enabled);
}

#[test]
fn handlers_of_one_version_get_an_event() {
    let bus = EventBus::new();
    block_on(async {
        let (registry, engine) = (registry(), engine().events(bus.clone()).build());
        let code =
            |version: u32| format!("Event.subscribe('price.of', function() return {version} end)");
        let script = engine.load_source("shop.lua", &code(1)).unwrap();
        registry.wrap(script.execute()).await.unwrap();
        for version in 1..20 {
            let event = hooks_events::Event::try_new("price.of", json!(null)).unwrap();
            let reply = bus.request(event, Duration::from_secs(20)).await.unwrap();
            assert_eq!(reply.json().unwrap(), &json!(version));
            assert_eq!(bus.subscriptions().len(), 1);
            registry
                .wrap(script.reload_source(&code(version + 1)))
                .await
                .unwrap();
        }
    });
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        files
            .iter()
            .for_each(|(name, text)| folder.write(name, text));
        folder
    }
    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    fn load(&self, engine: &LuaEngine) -> Result<Script, ScriptError> {
        engine.load(self.0.path().join("home/main.lua"))
    }
}

#[test]
fn require_runs_files_beneath_the_folder_once() {
    let folder = Folder::with(&[
        (
            "home/main.lua",
            "local a, b = require('lib.rules'), require('./lib/rules.lua') assert(a == b) return a.name .. require('pack').name",
        ),
        (
            "home/lib/rules.lua",
            "loads = (loads or 0) + 1 assert(loads == 1) return {name = 'rules'}",
        ),
        (
            "home/pack/init.lua",
            "return {name = require('lib/rules').name}",
        ),
    ]);
    let script = folder.load(&engine().build()).unwrap();
    assert_eq!(
        block_on(registry().wrap(script.execute())).unwrap(),
        "rulesrules"
    );
    assert_eq!(
        script.files().iter().filter(|file| file.is_file()).count(),
        3
    );
}

#[test]
fn require_leads_nowhere_else() {
    let folder = Folder::with(&[
        ("secret.lua", "return 'secret'"),
        ("home/a.lua", "return require('b')"),
        ("home/b.lua", "return require('a')"),
        ("home/bad.lua", "local = 1"),
        ("home/fails.lua", "error('inside')"),
        ("home/long.lua", &"-".repeat(5000)),
    ]);
    std::os::unix::fs::symlink(
        folder.0.path().join("secret.lua"),
        folder.0.path().join("home/link.lua"),
    )
    .unwrap();
    let engine = engine().source_limit(4000).build();
    for (name, why) in [
        ("../secret", "no path beneath"),
        ("/etc/passwd", "no path beneath"),
        ("lib/../../secret", "no path beneath"),
        ("link", "leads out of the folder"),
        (
            "nothing",
            "there is no file `nothing` (looked for nothing.lua, nothing.luau, nothing/init.lua)",
        ),
        ("a", "requires itself"),
        ("bad", "syntax error at bad.lua:1"),
        ("fails", "fails.lua:1: inside"),
        ("long", "longer than 4000 bytes"),
        ("", "no path beneath"),
    ] {
        folder.write("home/main.lua", &format!("return require('{name}')"));
        let script = folder.load(&engine).unwrap();
        let error = block_on(registry().wrap(script.execute()))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(why) && error.contains("main.lua:1"),
            "{name}: {error}"
        );
    }
    let script = engine.load_source("text.lua", "require('x')").unwrap();
    let error = block_on(registry().wrap(script.execute()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("not a file"), "{error}");
}

#[test]
fn hooks_at_script_load_see_what_is_required() {
    let folder = Folder::with(&[
        ("home/main.lua", "return require('rules')"),
        ("home/rules.lua", "return 'SECRET'"),
    ]);
    let registry = registry();
    let _guard = registry
        .guard(
            "no-secrets",
            "script.load",
            |cx: &hooks_runtime::GuardContext<'_>| {
                let source: &String = cx.arg("source")?;
                Ok(hooks_runtime::Vote::cancel_if(
                    source.contains("SECRET"),
                    "a secret",
                ))
            },
        )
        .unwrap();
    let _entered = registry.enter();
    let script = folder.load(&engine().build()).unwrap();
    let error = block_on(registry.wrap(script.execute()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("refused by hook `no-secrets`: a secret"),
        "{error}"
    );
}

/// Far more than any notice takes.
const SOON: Duration = Duration::from_secs(60);

async fn next(watch: &mut Watch) -> Vec<Change> {
    let changes = tokio::time::timeout(SOON, watch.changed()).await;
    changes.expect("a change is noticed").unwrap()
}

#[test]
fn changed_files_are_noticed_also_required_and_missing_ones() {
    let folder = Folder::with(&[
        (
            "home/main.lua",
            "local ok = pcall(require, 'later') return {ok, require('lib/rules')}",
        ),
        ("home/lib/rules.lua", "return 1"),
    ]);
    block_on(async {
        let (registry, engine) = (registry(), engine().build());
        let script = Arc::new(folder.load(&engine).unwrap());
        assert_eq!(
            registry.wrap(script.execute()).await.unwrap(),
            json!([false, 1])
        );
        let mut watch = Watch::new(vec![script.clone()])
            .unwrap()
            .debounce(Duration::from_millis(5));
        for (file, text, result) in [
            ("home/lib/rules.lua", "return 2", Some(json!([false, 2]))),
            ("home/later.lua", "return 0", Some(json!([true, 2]))),
            ("home/lib/rules.lua", "return oops(", None),
            ("home/lib/rules.lua", "return 3", Some(json!([true, 3]))),
        ] {
            folder.write(file, text);
            let changes = next(&mut watch).await;
            assert!(matches!(&changes[..], [Change::Reload(_)]), "{changes:?}");
            let reloaded = registry.wrap(script.reload()).await;
            assert_eq!(reloaded.ok().map(|new| new.result), result, "{text}");
        }
    });
}

#[test]
fn a_script_that_writes_its_own_file_is_not_reloaded_for_ever() {
    let folder = Folder::with(&[("home/main.lua", "return 0")]);
    block_on(async {
        let script = Arc::new(folder.load(&engine().build()).unwrap());
        let watch = Watch::new(vec![script.clone()]).unwrap();
        let mut watch = watch.debounce(Duration::from_millis(1)).loop_limit(3, SOON);
        for time in 1..=4 {
            // As the script would do while it is loaded.
            folder.write("home/main.lua", &format!("return {time}"));
            let changes = next(&mut watch).await;
            match (&changes[..], time) {
                ([Change::Reload(_)], 1..=3) => drop(script.reload().await.unwrap()),
                ([Change::Loop(_)], 4) => {}
                other => panic!("{other:?}"),
            }
        }
    });
}
