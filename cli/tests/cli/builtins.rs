//! Built-in hooks from scripts: the words of a configuration, on real calls.

use std::sync::atomic::{AtomicU32, Ordering};

use hookpoint::builtin::{KINDS, verify};
use hookpoint::lua::{LuaEngineBuilder, Rights, Script};
use hookpoint::{HookRefusal, HookRegistry, HookScope, HookSystem, Origin, hooked};
use serde_json::{Value, json};

static BODIES: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Refused(#[from] HookRefusal),
    #[error("connection reset")]
    Reset,
}

#[hooked(point = "builtins.fetch", component = "shop", retry)]
fn fetch(path: String, resets: &AtomicU32) -> Result<String, Failed> {
    BODIES.fetch_add(1, Ordering::SeqCst);
    match resets.load(Ordering::SeqCst) {
        0 => Ok(format!("{path} of ann@example.org")),
        left => {
            resets.store(left - 1, Ordering::SeqCst);
            Err(Failed::Reset)
        }
    }
}

/// A registry of its own, and a script that ran in it.
struct Ran {
    registry: HookRegistry,
    scope: HookScope,
    script: Script,
    result: Result<Value, String>,
}

fn engine() -> LuaEngineBuilder {
    let engine = hookpoint::script::engine(".").expect("this folder");
    engine.grant(Rights::everything())
}

async fn run_with(engine: LuaEngineBuilder, code: &str) -> Ran {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let script = engine.build().load_source("policy.lua", code);
    let script = script.expect("it compiles");
    let result = scope.wrap(script.execute()).await;
    let result = result.map_err(|error| error.to_string());
    Ran {
        registry,
        scope,
        script,
        result,
    }
}

async fn run(code: &str) -> Ran {
    let ran = run_with(engine(), code).await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    ran
}

impl Ran {
    fn fetch(&self, path: &str) -> Result<String, Failed> {
        self.fetch_after(path, 0)
    }
    fn fetch_after(&self, path: &str, resets: u32) -> Result<String, Failed> {
        let _entered = self.scope.enter();
        fetch(path.to_owned(), &AtomicU32::new(resets))
    }
    fn refusal(&self, path: &str) -> String {
        self.fetch(path).expect_err("it is refused").to_string()
    }
    fn ids(&self) -> Vec<String> {
        let hooks = self.registry.list();
        hooks.iter().map(|hook| hook.id.to_string()).collect()
    }
}

/// The least options of each kind, beside the points.
fn options(kind: &str, folder: &str) -> String {
    match kind {
        "approval" | "caching" | "cost" | "debugging" | "logging" | "metrics" | "redaction" => {
            match kind {
                "caching" => "ttl_ms = 60000".to_owned(),
                "cost" => "budgets = {{ limit = '5' }}, prices = {{ call = '1' }}".to_owned(),
                _ => String::new(),
            }
        }
        "audit" | "records" => format!("path = '{folder}/{kind}.log'"),
        "cel" => "rules = {{ when = 'true', then_ = 'pass' }}".replace("then_", "['then']"),
        "rate_limit" => "permits = 5".to_owned(),
        "retry" => "max_attempts = 2".to_owned(),
        "schema" => "result = { type = 'string' }".to_owned(),
        other => panic!("say here what the least options of `{other}` are"),
    }
}

#[tokio::test]
async fn every_kind_is_a_function_and_belongs_to_the_script() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display().to_string();
    for kind in KINDS {
        let kind = kind.name;
        let code = format!(
            "local h = Builtin.{kind}{{ points = 'builtins.*', {} }}
             assert(typeof(h) == 'hook handle' and h:point() == 'builtins.*' and h:id() == 'policy.1')
             return #Hook.list{{ own = true }}",
            options(kind, &at)
        );
        let ran = run_with(engine(), &code).await;
        let count = ran
            .result
            .as_ref()
            .unwrap_or_else(|e| panic!("{kind}: {e}"));
        let hooks = ran.registry.list();
        assert_eq!(*count, json!(hooks.len()), "{kind}");
        assert!(!hooks.is_empty(), "{kind}");
        for hook in &hooks {
            assert!(
                matches!(&hook.source.origin, Origin::Script { path } if path == "policy.lua"),
                "{kind}: {:?}",
                hook.source
            );
            assert_eq!(hook.source.location, "policy.lua:1", "{kind}");
        }
        let Ran {
            registry, script, ..
        } = ran;
        drop(script);
        assert_eq!(registry.list().len(), 0, "{kind}: gone with the script");
    }
    let names =
        run("local names = {} for name in Builtin do table.insert(names, name) end return names")
            .await;
    assert_eq!(names.result.unwrap().as_array().unwrap().len(), KINDS.len());
}

#[tokio::test]
async fn calls_are_limited_refused_asked_about_and_checked() {
    let ran = run("Builtin.rate_limit{ points = 'builtins.fetch', permits = 2, per_ms = 3600000, id = 'two' }").await;
    assert!(ran.fetch("a").is_ok() && ran.fetch("b").is_ok());
    assert!(ran.refusal("c").contains("refused by hook `two`"));

    let ran = run(
        "Builtin.cel{ points = 'builtins.*', id = 'etc', rules = {{ when = 'args.path.startsWith(\"/etc\")', ['then'] = 'cancel', reason = 'not there' }} }",
    )
    .await;
    assert!(ran.fetch("a").is_ok());
    assert!(ran.refusal("/etc/passwd").ends_with("not there"));

    let ran = run("Builtin.approval{ points = 'builtins.*', question = 'Fetch {args.path}?', when = 'args.path != \"free\"' }").await;
    assert!(ran.fetch("free").is_ok());
    assert!(ran.refusal("a").ends_with("Fetch \"a\"?"));

    let ran = run("Builtin.schema{ points = 'builtins.*', arguments = { path = { maxLength = 3 } }, components = 'shop' }").await;
    assert!(ran.fetch("abc").is_ok());
    assert!(ran.refusal("abcd").contains("path"));
}

#[tokio::test]
async fn calls_are_answered_repeated_redacted_and_written_down() {
    let ran =
        run("Builtin.caching{ points = 'builtins.*', ttl_ms = 3600000, args = { 'path' } }").await;
    let before = BODIES.load(Ordering::SeqCst);
    let path = "only in this test";
    assert_eq!(ran.fetch(path).unwrap(), ran.fetch(path).unwrap());
    // Other tests run bodies too, but none of this registry.
    assert!(BODIES.load(Ordering::SeqCst) > before);
    let resets = ran.fetch_after(path, 7);
    assert!(resets.is_ok(), "the body was not asked: {resets:?}");

    let ran =
        run("Builtin.retry{ points = 'builtins.*', max_attempts = 3, first_delay_ms = 1 }").await;
    assert!(ran.fetch_after("a", 2).is_ok());
    assert!(matches!(ran.fetch_after("a", 3), Err(Failed::Reset)));

    let ran = run("Builtin.redaction{ points = 'builtins.*', results = true }").await;
    let redacted = ran.fetch("a").unwrap();
    assert!(!redacted.contains("ann@"), "{redacted}");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.log");
    let code = format!(
        "Builtin.audit{{ points = 'builtins.*', path = '{}' }}",
        path.display()
    );
    let ran = run(&code).await;
    ran.fetch("a").unwrap();
    ran.fetch("b").unwrap();
    drop(ran);
    let written = std::fs::read_to_string(&path).expect("the trail");
    assert!(written.contains("builtins.fetch"), "{written}");
    verify(&path).expect("its lines are chained");
}

/// What a configuration says of wrong words, without the place.
async fn problem(toml: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hookpoint.toml");
    std::fs::write(&path, toml).expect("a file");
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let system = scope
        .wrap(async { HookSystem::builder().config(&path)?.build().await })
        .await;
    let system = system.expect("it starts without the entry");
    system.problems()[0].what.clone()
}

#[tokio::test]
async fn wrong_words_have_the_message_of_a_configuration_with_the_line_of_the_script() {
    for (kind, lua, toml) in [
        ("rate_limit", "per_second = 5", "per_second = 5"),
        ("rate_limit", "", ""),
        ("rate_limit", "permits = 0", "permits = 0"),
        ("rate_limit", "permits = 'many'", "permits = \"many\""),
        ("logging", "level = 'loud'", "level = \"loud\""),
        ("logging", "priority = 'hihg'", "priority = \"hihg\""),
        ("logging", "mode = 'shado'", "mode = \"shado\""),
        ("logging", "on_failure = 'open'", "on_failure = \"open\""),
        ("logging", "when = 'true'", "when = \"true\""),
        ("approval", "when = '1 +'", "when = \"1 +\""),
        ("audit", "", ""),
        (
            "schema",
            "result = { type = 'strng' }",
            "result = { type = \"strng\" }",
        ),
    ] {
        let code = format!("\nBuiltin.{kind}{{ id = 'x', points = 'builtins.*', {lua} }}");
        let said = run_with(engine(), &code).await.result.unwrap_err();
        let toml =
            format!("[[hook]]\nkind = \"{kind}\"\nid = \"x\"\npoints = [\"builtins.*\"]\n{toml}\n");
        assert_eq!(
            said,
            format!("policy.lua:2: {}", problem(&toml).await),
            "{kind} {lua}"
        );
    }
    for (code, why) in [
        ("Builtin.logging{}", "missing field `points`"),
        ("Builtin.logging{ points = {} }", "policy.lua:1: "),
        (
            "Builtin.logging('builtins.*')",
            "takes one table of options, not a string; write Builtin.logging{",
        ),
        (
            "Builtin.logging{ 'builtins.*' }",
            "written as `name = value`",
        ),
        (
            "Builtin.logging{ points = 'builtins.*', required = true }",
            "its operator requires hooks",
        ),
        (
            "Builtin.logging{ points = 'builtins.*', kind = 'cel' }",
            "the name of the function says it",
        ),
        (
            "Builtin.logging{ points = 'tool.exekute' }",
            "did you mean `tool.execute`",
        ),
        (
            "Builtin.logging{ points = 'builtins.*', id = 'x' }; Builtin.logging{ points = 'builtins.*', id = 'x' }",
            "policy.lua:1",
        ),
    ] {
        let said = run_with(engine(), code).await.result.unwrap_err();
        assert!(said.contains(why), "{code}: {said}");
    }
}

#[tokio::test]
async fn a_script_needs_the_rights_of_what_it_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display().to_string();
    let cel = |then: &str| {
        format!(
            "Builtin.cel{{ points = 'builtins.*', rules = {{{{ when = 'true', ['then'] = '{then}' }}}} }}"
        )
    };
    let (pass, allow) = (cel("pass"), cel("allow"));
    let audit = format!("Builtin.audit{{ points = 'builtins.*', path = '{at}/a.log' }}");
    let dumps = format!(
        "Builtin.debugging{{ points = 'builtins.*', dump_dir = '{at}/d', dump_on = {{ 'failed' }} }}"
    );
    let schema = format!("Builtin.schema{{ points = 'builtins.*', result_file = '{at}/s.json' }}");
    std::fs::write(folder.path().join("s.json"), "{}").expect("a file");
    let records = |keep: u32| {
        format!("Builtin.records{{ points = 'builtins.*', path = '{at}/r.jsonl', keep = {keep} }}")
    };
    let (one, rotating) = (records(0), records(2));
    let file = |end: &str| format!("fs:write:{at}/r.jsonl{end}");
    let (record, aside, older) = (file(""), file(".1"), file(".2"));
    let written = format!("fs:write:{at}/a.log");
    let (dumped, read, beneath) = (
        format!("fs:write:{at}/d"),
        format!("fs:read:{at}/s.json"),
        format!("fs:write:{at}"),
    );
    for (granted, code, missing) in [
        (&[][..], &*pass, Some("hook:builtins.*:guard")),
        (
            &["hook:builtins.*:observe"],
            &pass,
            Some("hook:builtins.*:guard"),
        ),
        (
            &["hook:builtins.fetch:*"],
            &pass,
            Some("hook:builtins.*:guard"),
        ),
        (&["hook:builtins.*:guard"], &pass, None),
        (&["standard"], &allow, Some("grant:builtins.*")),
        (
            &["standard", "grant:builtins.fetch"],
            &allow,
            Some("grant:builtins.*"),
        ),
        (&["standard", "grant:builtins.>"], &allow, None),
        (&["standard"], &audit, Some(&written)),
        (&["standard", "fs:read:*"], &audit, Some(&written)),
        (&["standard", &beneath], &audit, None),
        (
            &["hook:>:observe", &beneath],
            &audit,
            Some("hook:builtins.*:guard"),
        ),
        (&["standard", &record], &one, None),
        (&["standard", &record], &rotating, Some(&aside)),
        (&["standard", &record, &aside], &rotating, Some(&older)),
        (&["standard", &record, &aside, &older], &rotating, None),
        (&["standard", &beneath], &rotating, None),
        (&["standard"], &dumps, Some(&dumped)),
        (&["standard", "fs:write:*"], &dumps, None),
        (&["standard", "fs:write:*"], &schema, Some(&read)),
        (&["standard", &read], &schema, None),
    ] {
        let rights = Rights::parse(granted).expect("capabilities");
        let ran = run_with(engine().grant(rights), code).await;
        match missing {
            None => assert!(ran.result.is_ok(), "{granted:?} {code}: {:?}", ran.result),
            Some(missing) => {
                let said = ran.result.clone().expect_err(code);
                let lacks = format!("lacks the capability `{missing}`");
                assert!(said.contains(&lacks), "{granted:?} {code}: {said}");
                assert_eq!(ran.ids().len(), 0, "{code}");
            }
        }
    }
    let code = format!("-- @capability hook:builtins.*:observe\n{pass}");
    let said = run_with(engine(), &code).await.result.unwrap_err();
    assert!(
        said.contains("does not ask for the capability `hook:builtins.*:guard`"),
        "{said}"
    );
}

#[tokio::test]
async fn a_handle_is_about_all_hooks_of_an_entry() {
    let ran = run("
        handle = Builtin.debugging{ points = 'builtins.*', id = 'ring' }
        assert(handle:id() == 'ring' and #Hook.list{ own = true } == 2)
        local stats = handle:stats()
        assert(stats.enabled and stats.parts['ring.calls'].enabled and stats.parts['ring.done'].enabled)
        handle:disable()
        for _, hook in Hook.list() do assert(not hook.enabled) end
        assert(handle:stats().enabled == false)
        handle:enable()
        assert(handle:unregister() and not handle:unregister() and #Hook.list() == 0)
        Builtin.debugging{ points = 'builtins.*', id = 'ring' }
        assert(Hook.unregister('ring') and not Hook.unregister('ring') and #Hook.list() == 0)
        Builtin.debugging{ points = 'builtins.*', id = 'ring' }
        Builtin.logging{ points = 'builtins.*' }
        return Hook.clear()")
    .await;
    assert_eq!(
        (ran.result.as_ref().unwrap(), ran.ids().len()),
        (&json!(3), 0)
    );
}

#[tokio::test]
async fn a_reload_exchanges_them_with_the_other_hooks() {
    let limited = |permits: u32, more: &str| {
        format!(
            "Builtin.rate_limit{{ points = 'builtins.*', permits = {permits}, per_ms = 3600000, id = 'limit' }} {more}"
        )
    };
    let ran = run(&limited(1, "")).await;
    assert!(ran.fetch("a").is_ok() && ran.fetch("a").is_err());
    let script = &ran.script;
    let reload = |code: String| {
        ran.scope
            .wrap(async move { script.reload_source(&code).await })
    };
    let failed = reload(limited(9, "error('late')")).await;
    assert!(failed.is_err());
    assert!(ran.fetch("a").is_err(), "the old one is in force");
    let refused = reload(limited(
        9,
        "Builtin.logging{ points = 'builtins.*', id = 'limit' }",
    ))
    .await;
    assert!(refused.unwrap_err().to_string().contains("limit"));
    assert!(ran.fetch("a").is_err());
    let while_staged = "assert(not pcall(Hook.unregister, 'nobody') == false)";
    let new = reload(limited(2, while_staged))
        .await
        .expect("it takes over");
    assert_eq!(new.hooks, ["limit"]);
    assert!(ran.fetch("a").is_ok() && ran.fetch("a").is_ok() && ran.fetch("a").is_err());
    assert_eq!(ran.ids(), ["limit"]);
}

#[tokio::test]
async fn scripts_of_a_configuration_have_them_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file =
        |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    file(
        "policy.lua",
        "Builtin.rate_limit{ points = 'builtins.*', permits = 1, per_ms = 3600000, id = 'one' }",
    );
    file(
        "hookpoint.toml",
        "scripts = [\"policy.lua\"]\nrequired = [\"one\"]",
    );
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let system = scope
        .wrap(async {
            let builder = HookSystem::builder().config(folder.path().join("hookpoint.toml"))?;
            builder.build().await
        })
        .await;
    let _system = system.expect("it starts");
    let _entered = scope.enter();
    let call = || fetch("a".to_owned(), &AtomicU32::new(0));
    assert!(call().is_ok() && call().is_err());
}
