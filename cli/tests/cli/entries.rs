//! Built-in hooks of a configuration file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hookpoint::{
    HookError, HookRefusal, HookRegistry, HookScope, HookSystem, Life, Origin, Vote, hooked,
};

#[hooked(point = "entries.fetch", component = "shop")]
fn fetch(path: String) -> Result<String, HookRefusal> {
    Ok(path)
}

struct File(tempfile::TempDir);

impl File {
    fn new(text: &str) -> Self {
        let file = File(tempfile::tempdir().expect("a folder"));
        file.write(text);
        file
    }
    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).expect("a file");
    }
    fn path(&self) -> PathBuf {
        self.0.path().join("hookpoint.toml")
    }
}

async fn start(file: &File, registry: &HookRegistry) -> Result<HookSystem, HookError> {
    let scope = HookScope::isolated(registry);
    scope
        .wrap(async { HookSystem::builder().config(file.path())?.build().await })
        .await
}

/// A system that has started with that file.
async fn started(text: &str) -> (File, HookRegistry, HookSystem) {
    let (file, registry) = (File::new(text), HookRegistry::new());
    let system = start(&file, &registry).await.expect("it starts");
    (file, registry, system)
}

/// Writes the file anew and reads it again.
fn reload(system: &HookSystem, file: &File, text: &str) -> Result<(), String> {
    file.write(text);
    system
        .reload(file.path())
        .map_err(|error| error.to_string())
}

fn ids(registry: &HookRegistry) -> Vec<String> {
    registry
        .list()
        .iter()
        .map(|hook| hook.id.to_string())
        .collect()
}

const GOOD: &str = r#"
[[hook]]
kind = "logging"
id = "log"
points = ["entries.*", "tool.execute"]
components = ["shop"]
priority = "lowest"
required = true
level = "debug"
"#;

#[tokio::test]
async fn entries_become_hooks_with_their_place_in_the_file() {
    let (_file, registry, system) = started(GOOD).await;
    let log = registry.list().remove(0);
    assert_eq!(&*log.id, "log");
    assert_eq!(log.points.len(), 2);
    assert!(log.required && log.priority == hookpoint::Priority::LOWEST);
    assert_eq!(log.source.origin, Origin::Configuration);
    let place = log.source.to_string();
    assert!(place.ends_with("hookpoint.toml:2:1"), "{place}");
    assert!(system.problems().is_empty());
    assert!(matches!(
        registry.unregister("log"),
        Err(HookError::Required { .. })
    ));
    drop(system);
}

#[tokio::test]
async fn a_wrong_entry_is_left_out_with_its_place_and_harms_no_other() {
    let text = r#"
[[hook]]
kind = "loging"
id = "a"
points = ["entries.*"]

[[hook]]
kind = "logging"
id = "b"
points = ["entries.*"]
levle = "debug"

[[hook]]
kind = "logging"
id = "c"
points = ["entries.*"]
on_failure = "open"

[[hook]]
kind = "logging"
points = ["entries.*"]

[[hook]]
kind = "logging"
id = "d"
points = ["tool.exekute"]

[[hook]]
kind = "logging"
id = "good"
points = ["entries.*"]

[[hook]]
kind = "logging"
id = "good"
points = ["entries.*"]
"#;
    let (_file, registry, system) = started(text).await;
    assert_eq!(ids(&registry), ["good"]);
    let problems: Vec<String> = system.problems().iter().map(ToString::to_string).collect();
    for (line, says) in [
        (2, "did you mean `logging`?"),
        (7, "levle"),
        (13, "allow_open = true"),
        (19, "missing field `id`"),
        (23, "did you mean `tool.execute`?"),
        (33, "there already is a hook `good`"),
    ] {
        let place = format!("hookpoint.toml:{line}:1: ");
        let found = problems.iter().find(|problem| problem.contains(&place));
        assert!(
            found.is_some_and(|found| found.contains(says)),
            "{line} {says}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 6);
}

#[tokio::test]
async fn a_wrong_entry_that_is_required_keeps_the_system_from_starting() {
    for required in ["true", "\"yes\""] {
        let text = format!(
            "{GOOD}\n[[hook]]\nkind = \"nothing\"\nid = \"x\"\npoints = [\"entries.*\"]\nrequired = {required}\n"
        );
        let (file, registry) = (File::new(&text), HookRegistry::new());
        let error = start(&file, &registry)
            .await
            .err()
            .expect("it does not start")
            .to_string();
        assert!(error.contains("hookpoint.toml:11:1"), "{error}");
        assert_eq!(registry.life(), Life::Starting);
    }
}

#[tokio::test]
async fn a_changed_file_takes_effect_in_one_step_or_not_at_all() {
    let entry = |id: &str| {
        GOOD.replace("\"log\"", &format!("\"{id}\""))
            .replace("required = true\n", "")
    };
    let (file, registry, system) = started(&entry("one")).await;
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let two = format!("{}{}", entry("two"), entry("three"));
    reload(&system, &file, &two).expect("it is reloaded");
    assert_eq!(ids(&registry), ["three", "two"]);
    let wrong = format!("{}[[hook]]\nkind = \"nothing\"\n", entry("four"));
    let error = reload(&system, &file, &wrong).unwrap_err();
    assert!(error.contains("hookpoint.toml:9:1"), "{error}");
    assert_eq!(ids(&registry), ["three", "two"], "as it was");
    let frozen = registry.guard("frozen", "system.config", |_| Ok(Vote::cancel("not today")));
    let frozen = frozen.expect("it is registered");
    let error = reload(&system, &file, &entry("five")).unwrap_err();
    assert!(error.contains("not today"), "{error}");
    drop(frozen);
    reload(&system, &file, &entry("five")).expect("it is reloaded");
    assert_eq!(ids(&registry), ["five"]);
    assert!(fetch("x".into()).is_ok());
}

#[tokio::test]
async fn an_entry_takes_part_only_when_its_condition_holds() {
    let text = r#"
[[hook]]
kind = "cel"
id = "policy"
points = ["entries.fetch"]
when = "component == 'shop' && args.path != '/open'"
rules = [{ when = "args.path.startsWith('/')", then = "cancel", reason = "not from the root" }]

[[hook]]
kind = "rate_limit"
id = "typo"
points = ["entries.fetch"]
permits = 1
when = "componnet == 'shop'"

[[hook]]
kind = "logging"
id = "watches"
points = ["entries.fetch"]
when = "true"
"#;
    let (file, registry) = (File::new(text), HookRegistry::new());
    let system = start(&file, &registry).await.expect("it starts");
    assert_eq!(ids(&registry), ["policy"]);
    let problems: Vec<String> = system.problems().iter().map(ToString::to_string).collect();
    for (line, says) in [
        (9, "did you mean `component`?"),
        (16, "an observer has no conditions"),
    ] {
        let place = format!("hookpoint.toml:{line}:1: ");
        let found = problems.iter().find(|problem| problem.contains(&place));
        assert!(
            found.is_some_and(|found| found.contains(says)),
            "{problems:#?}"
        );
    }
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    assert!(fetch("/open".into()).is_ok() && fetch("x".into()).is_ok());
    let refused = fetch("/etc".into()).unwrap_err();
    assert_eq!(refused.reason(), "not from the root");
}

#[tokio::test]
async fn a_required_entry_keeps_its_condition() {
    let text = GOOD
        .replace("logging", "rate_limit")
        .replace("level = \"debug\"", "permits = 1");
    let text = format!("{text}when = \"true\"\n");
    let (file, registry) = (File::new(&text), HookRegistry::new());
    let system = start(&file, &registry).await.expect("it starts");
    let more = text.replace("permits = 1", "permits = 2");
    reload(&system, &file, &more).expect("it asks for the same calls");
    let fewer = text.replace("\"true\"", "\"component == 'shop'\"");
    let error = reload(&system, &file, &fewer).unwrap_err();
    assert!(error.contains("condition of its own"), "{error}");
    assert_eq!(ids(&registry), ["log"]);
}

#[test]
fn a_replay_asks_rules_and_conditions_in_cel() {
    let text = r#"
[[hook]]
kind = "cel"
id = "policy"
points = ["entries.fetch"]
when = "component == 'shop' && principal != 'ann'"
rules = [{ when = "args.path.startsWith('/')", then = "cancel" }]
"#;
    let registry = HookRegistry::new();
    let config = hookpoint::system::Config::parse(text, "hookpoint.toml").expect("it can be read");
    let _hooks = config.register_for_replay(&registry).expect("it fits");
    let replayed = |who: &str, arg: serde_json::Value| {
        let call = serde_json::json!({
            "call_id": 1, "point": "entries.fetch", "component": "shop", "principal": who,
            "args": [arg], "plan": "run", "refusal": null,
        });
        let call = serde_json::from_value(call).expect("it is a record");
        let replayed = registry.replay(&call).expect("it is decided");
        serde_json::to_value(replayed).expect("it is JSON")["change"].clone()
    };
    let path = |path: &str| serde_json::json!({ "name": "path", "value": path });
    assert_eq!(replayed("bob", path("/etc")), "refused");
    assert_eq!(replayed("bob", path("etc")), "none");
    assert_eq!(replayed("ann", path("/etc")), "none");
    let unknown = serde_json::json!({ "name": "path" });
    assert_eq!(replayed("bob", unknown.clone()), "undecidable");
    assert_eq!(replayed("ann", unknown), "none");
}

#[tokio::test]
async fn files_of_entries_are_asked_about_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    std::fs::write(&schema, "{}").unwrap();
    let entry = |name: &str| {
        let path = folder.path().join(name);
        format!(
            "[[hook]]\nkind = 'schema'\nid = 's'\npoints = ['entries.fetch']\nargument_files = {{ path = {path:?} }}\n"
        )
    };
    let file = File::new(&entry("schema.json"));
    let registry = HookRegistry::new();
    let build = || {
        HookScope::isolated(&registry).wrap(async {
            HookSystem::builder()
                .check_files(|path| match path.ends_with("other.json") {
                    true => Err("somebody else could write it".into()),
                    false => Ok(()),
                })
                .config(file.path())?
                .build()
                .await
        })
    };
    let system = build().await.unwrap();
    assert!(system.problems().is_empty());
    let refused = reload(&system, &file, &entry("other.json")).unwrap_err();
    assert!(
        refused.contains("somebody else could write it"),
        "{refused}"
    );
    assert_eq!(ids(&registry), ["s"]);
}

#[tokio::test]
async fn a_reload_asks_about_the_configuration_before_it_is_read() {
    let file = File::new("[[hook]]\nkind = 'logging'\nid = 'old'\npoints = ['entries.fetch']\n");
    let registry = HookRegistry::new();
    let is_ours = Arc::new(AtomicBool::new(true));
    let checked = Arc::clone(&is_ours);
    let path = file.path();
    let system = HookScope::isolated(&registry).wrap(async {
        let check = move |asked: &Path| match asked == path && !checked.load(Ordering::SeqCst) {
            true => Err("somebody else could write it".into()),
            false => Ok(()),
        };
        let builder = HookSystem::builder().check_files(check);
        builder.config(file.path())?.build().await
    });
    let system = system.await.unwrap();
    is_ours.store(false, Ordering::SeqCst);
    let refused = reload(&system, &file, "no TOML at all").unwrap_err();
    assert!(
        refused.contains("somebody else could write it"),
        "{refused}"
    );
    assert!(reload(&system, &file, "").is_err());
    assert_eq!(ids(&registry), ["old"]);
    is_ours.store(true, Ordering::SeqCst);
    reload(&system, &file, "").unwrap();
    assert!(ids(&registry).is_empty());
}
