//! `HookSystem` with a configuration file and scripts: in force together, or refusing.

use std::path::PathBuf;
use std::time::Duration;

use hookpoint::report::Report;
use hookpoint::{
    ArgLevel, Clock, DecisionRecord, HookRefusal, HookRegistry, HookScope, HookSystem, Life, Sink,
    Vote, Wants, hooked,
};

#[hooked(point = "system_test.fetch")]
fn fetch(path: String) -> Result<String, HookRefusal> {
    Ok(path)
}

/// Files in a folder that is removed when dropped.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        Files(folder)
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

const POLICY: &str = r#"
Hook.register("system_test.fetch", function(ctx)
    if string.sub(ctx.args.path, 1, 4) == "/etc" then return Result.cancel("outside the workspace") end
end, {role = "guard", name = "no-etc"})
"#;

#[tokio::test]
async fn a_policy_is_in_force_when_build_returns() {
    let files = Files::new(&[
        ("policy.lua", POLICY),
        (
            "hookpoint.toml",
            "required = [\"no-etc\"]\nscripts = [\"policy.lua\"]\n",
        ),
    ]);
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let test = async {
        let builder = HookSystem::builder()
            .config(files.path("hookpoint.toml"))
            .expect("it is read");
        assert_eq!(
            fetch("x".into()).unwrap_err().hook(),
            "hookpoint.life",
            "not in force yet"
        );
        let system = builder.build().await.expect("it is put in force");
        assert!(fetch("x".into()).is_ok());
        assert_eq!(fetch("/etc/passwd".into()).unwrap_err().hook(), "no-etc");
        assert!(
            system.registry().unregister("no-etc").is_err(),
            "it is required"
        );
        assert!(
            !system
                .registry()
                .list()
                .iter()
                .any(|h| h.id.starts_with("system.")),
            "no grant is left behind"
        );
        system.drain();
        assert_eq!(
            fetch("x".into()).unwrap_err().hook(),
            "hookpoint.life",
            "going down"
        );
    };
    scope.wrap(test).await;
}

#[tokio::test]
async fn whatever_is_wrong_keeps_the_system_from_serving() {
    for (config, policy, wanted) in [
        (
            "required = [\"no-ect\"]\nscripts = [\"policy.lua\"]",
            POLICY,
            "did you mean `no-etc`?",
        ),
        (
            "scripts = [\"policy.lua\"]",
            "error('broken policy')",
            "policy.lua:1: broken policy",
        ),
        (
            "scripts = [\"policy.lua\"]",
            "Hook.register('tool.exekute', print)",
            "did you mean `tool.execute`?",
        ),
        ("scripts = [\"other.lua\"]", POLICY, "other.lua"),
        ("closed = [\"*\"]", POLICY, "write `>`"),
        ("scripts = [\"policy.lua\"]", "return Tool", ""),
        (
            "scripts = [{ path = \"policy.lua\", allow = [\"hook:>:observe\"] }]",
            POLICY,
            "lacks the capability `hook:system_test.fetch:guard`",
        ),
        (
            "closed = []\nscripts = [{ path = \"policy.lua\", allow = [\"hook:>\"] }]",
            POLICY,
            "hookpoint.toml:2:12: in `allow`: `hook:>` is no capability",
        ),
        (
            "scripts = [{ path = \"policy.lua\", allow = [\"hook:system_test.*:guard\"] }]",
            POLICY,
            "",
        ),
    ] {
        let files = Files::new(&[("policy.lua", policy), ("hookpoint.toml", config)]);
        let registry = HookRegistry::new();
        let scope = HookScope::isolated(&registry);
        let test = async {
            let built = HookSystem::builder()
                .config(files.path("hookpoint.toml"))
                .expect("it is read")
                .build()
                .await;
            if wanted.is_empty() {
                assert!(built.is_ok());
                return;
            }
            let error = built.err().expect("it must not serve").to_string();
            assert!(error.contains(wanted), "{error:?} lacks {wanted:?}");
            assert_eq!(registry.life(), Life::Starting);
            assert!(fetch("x".into()).is_err(), "calls stay refused");
        };
        scope.wrap(test).await;
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_never_serves() {
    let files = Files::new(&[("hookpoint.toml", "required = [\"a\"]\nclosd = []\n")]);
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let error = HookSystem::builder()
        .config(files.path("hookpoint.toml"))
        .err()
        .expect("a typo")
        .to_string();
    assert!(
        error.contains("hookpoint.toml:2:1") && error.contains("closd"),
        "{error}"
    );
    let missing = HookSystem::builder()
        .config(files.path("nothing.toml"))
        .err()
        .expect("no file")
        .to_string();
    assert!(missing.contains("nothing.toml"), "{missing}");
    let script = HookSystem::builder()
        .script(files.path("nothing.lua"))
        .err()
        .expect("no file")
        .to_string();
    assert!(script.contains("nothing.lua"), "{script}");
    assert_eq!(registry.life(), Life::Starting);
}

/// Keeps the values of arguments as records at that level show them.
struct Keeps(std::sync::Mutex<Vec<serde_json::Value>>);

impl Sink for Keeps {
    fn wants(&self) -> Wants {
        let here = Wants::always_at("system_test.*").expect("a pattern");
        here.args(ArgLevel::Redacted)
    }
    fn record(&self, record: &DecisionRecord) {
        let values = record.args().into_iter().filter_map(|arg| arg.value);
        self.0.lock().expect("a list").extend(values);
    }
}

#[tokio::test]
async fn budgets_and_redaction_of_a_configuration_are_in_force() {
    for (redaction, shown) in [
        ("", "[redacted:email] 4711"),
        (
            "[redaction]\npatterns = []\nregexes = { pin = \"[0-9]{4}\" }\n",
            "bob@example.com [redacted:pin]",
        ),
    ] {
        let text = format!("[budgets]\n\"system_test.*\" = 1\n{redaction}");
        let files = Files::new(&[("hookpoint.toml", &text)]);
        let clock = Clock::fake();
        let registry = HookRegistry::with_clock(clock.clone());
        let slow = registry.guard("slow", "system_test.fetch", move |_| {
            clock.advance(std::time::Duration::from_micros(2));
            Ok(Vote::Pass)
        });
        slow.expect("it is registered").forget();
        let lossy = registry.on("lossy").point("system_test.fetch").lossy();
        let lossy = lossy.observe(|_| panic!("the hooks are over their budget"));
        lossy.expect("it is registered").forget();
        let report = std::sync::Arc::new(Report::default());
        registry.add_sink(report.clone());
        let keeps = std::sync::Arc::new(Keeps(std::sync::Mutex::default()));
        registry.add_sink(keeps.clone());
        let scope = HookScope::isolated(&registry);
        let test = async {
            let builder = HookSystem::builder().config(files.path("hookpoint.toml"));
            let _system = builder
                .expect("it is read")
                .build()
                .await
                .expect("it serves");
            fetch("bob@example.com 4711".into()).expect("it passes");
        };
        scope.wrap(test).await;
        assert_eq!(*keeps.0.lock().expect("a list"), [shown]);
        let shed = report.snapshot();
        assert_eq!(shed.shed, 1);
        assert!(
            shed.to_string()
                .contains("lossy observers that were not told: 1"),
            "{shed}"
        );
    }
}

#[tokio::test]
async fn a_report_tells_what_hooks_in_shadow_mode_would_have_refused() {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let report = std::sync::Arc::new(Report::with_max_refusals(2));
    registry.add_sink(report.clone());
    let shadow = registry.on("would").point("system_test.fetch").shadow();
    let shadow = shadow.guard(|_| Ok(Vote::cancel("not for long")));
    shadow.expect("it is registered").forget();
    for _ in 0..3 {
        fetch("x".into()).expect("a shadow never counts");
    }
    let found = report.snapshot();
    assert_eq!(
        (
            found.refusals.len(),
            found.would_refuse.len(),
            found.more_would_refuse
        ),
        (0, 2, 1)
    );
    assert_eq!(found.would_refuse[0].hook, "would");
    let text = found.to_string();
    assert!(
        text.contains("Shadow mode would have refused\n  system_test.fetch: not for long"),
        "{text}"
    );
}

#[test]
fn a_script_entry_is_a_path_or_a_table() {
    for (scripts, wanted) in [
        ("[7]", "hookpoint.toml:1:12"),
        ("[{ path = \"policy.lua\" }]", "missing field `allow`"),
        (
            "[{ path = \"policy.lua\", alow = [] }]",
            "unknown field `alow`",
        ),
    ] {
        let files = Files::new(&[("hookpoint.toml", &format!("scripts = {scripts}"))]);
        let read = hookpoint::system::Config::read(files.path("hookpoint.toml"));
        let error = read.expect_err("it is wrong").to_string();
        assert!(
            error.contains(wanted) && error.contains("hookpoint.toml:1:12"),
            "{scripts}: {error}"
        );
    }
}

#[tokio::test]
async fn scripts_are_reloaded_each_by_itself() {
    let files = Files::new(&[
        ("policy.lua", POLICY),
        ("other.lua", "-- nothing yet"),
        (
            "hookpoint.toml",
            "scripts = [\"policy.lua\", \"other.lua\"]\n",
        ),
    ]);
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let test = async {
        let builder = HookSystem::builder().config(files.path("hookpoint.toml"));
        let system = builder.expect("it is read").build().await;
        let system = system.expect("it is put in force");
        assert_eq!(system.scripts().len(), 2);
        let write = |name: &str, text: &str| {
            std::fs::write(files.path(name), text).expect("a file");
        };
        write("policy.lua", &POLICY.replace("/etc", "/tmp"));
        write("other.lua", "local = 1");
        assert!(fetch("/tmp/x".into()).is_ok(), "nobody has reloaded it");
        let reloaded = system.reload_scripts().await;
        let (policy, other) = (&reloaded[0], &reloaded[1]);
        assert!(policy.0.ends_with("policy.lua"));
        assert_eq!(policy.1.as_ref().expect("it is").hooks, ["no-etc"]);
        let error = other.1.as_ref().expect_err("it is wrong").to_string();
        assert!(error.contains("syntax error"), "{error}");
        assert!(fetch("/tmp/x".into()).is_err() && fetch("/etc/x".into()).is_ok());
        drop(system);
        assert!(registry.list().is_empty());
    };
    scope.wrap(test).await;
}

#[tokio::test]
async fn watched_scripts_are_reloaded_when_they_change() {
    let files = Files::new(&[("policy.lua", POLICY)]);
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let test = async {
        let builder = HookSystem::builder().script(files.path("policy.lua"));
        let system = builder.expect("it is there").build().await;
        let system = system.expect("it is put in force");
        let (sender, mut said) = tokio::sync::mpsc::unbounded_channel();
        let watching = system.watch_scripts(|script, reloaded| {
            let sent = sender.send((script.name().to_owned(), reloaded.is_ok()));
            sent.expect("somebody listens");
        });
        let changes = async {
            let write = |text: &str| std::fs::write(files.path("policy.lua"), text);
            write("local = 1").expect("a file");
            let (name, ok) = said.recv().await.expect("it was seen");
            assert!(name.ends_with("policy.lua") && !ok);
            assert!(fetch("/etc/x".into()).is_err(), "the old one is in force");
            write(&POLICY.replace("/etc", "/tmp")).expect("a file");
            assert!(said.recv().await.expect("it was seen").1);
            assert!(fetch("/tmp/x".into()).is_err() && fetch("/etc/x".into()).is_ok());
        };
        tokio::select! {
            error = watching => panic!("{error}"),
            () = changes => {}
        }
    };
    scope.wrap(test).await;
}

/// A required hook stays to the end of the program, so nobody drops it, which would write what waits.
#[tokio::test]
async fn what_hooks_put_off_is_finished_at_the_end() {
    let files = Files::new(&[]);
    let records = files.path("calls.jsonl");
    let config = format!(
        "[[hook]]\nid = \"calls\"\nkind = \"records\"\npoints = [\"system_test.fetch\"]\nrequired = true\nmax_age_ms = 86400000\npath = {:?}\n",
        records.display().to_string()
    );
    std::fs::write(files.path("hookpoint.toml"), config).expect("a file");
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    let test = async {
        let builder = HookSystem::builder()
            .config(files.path("hookpoint.toml"))
            .expect("it is read");
        let system = builder.build().await.expect("it is put in force");
        for path in ["a", "b", "c"] {
            fetch(path.into()).expect("nobody refuses");
        }
        system.shutdown(Duration::from_secs(30)).await;
        drop(system);
    };
    scope.wrap(test).await;
    let written = std::fs::read_to_string(records).expect("a file");
    let points = written.matches("\"system_test.fetch\"").count();
    assert_eq!((written.lines().count(), points), (3, 3), "{written}");
    assert_eq!(registry.list().len(), 1, "it is required");
}
