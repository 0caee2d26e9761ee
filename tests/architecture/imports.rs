//! The direction of imports.

use serde_json::Value;

use super::{assert_none, cargo};

/// The picture: every crate of the workspace, and which of ours it may import.
const PICTURE: &[(&str, &[&str])] = &[
    ("hooks-macros", &[]),
    ("hooks-runtime", &["hooks-macros"]),
    ("hooks-tools", &["hooks-runtime"]),
    ("hooks-agents", &["hooks-runtime", "hooks-tools"]),
    (
        "hooks-workflows",
        &["hooks-runtime", "hooks-tools", "hooks-agents"],
    ),
    ("hooks-lua", &["hooks-runtime", "hooks-events"]),
    ("hooks-events", &["hooks-runtime"]),
    ("hooks-builtin", &["hooks-runtime"]),
    ("hooks-mcp", &["hooks-runtime", "hooks-tools"]),
    // All meet only here.
    (
        "hookpoint",
        &[
            "hooks-macros",
            "hooks-runtime",
            "hooks-tools",
            "hooks-agents",
            "hooks-workflows",
            "hooks-events",
            "hooks-builtin",
            "hooks-mcp",
            "hooks-lua",
        ],
    ),
    (
        "hookpoint-cli",
        &[
            "hookpoint",
            "hookpoint-example-plugin",
            "hooks-tools",
            "hooks-agents",
            "hooks-workflows",
            "hooks-events",
            "hooks-lua",
        ],
    ),
    // A plugin is a user: it knows the facade and nothing behind it.
    ("hookpoint-example-plugin", &["hookpoint"]),
    // Programs that measure, as users would call.
    (
        "hookpoint-bench",
        &["hookpoint", "hookpoint-regress", "hooks-events"],
    ),
    ("hookpoint-regress", &["hookpoint"]),
    // The compiler's messages: nothing but a test.
    ("hookpoint-ui", &[]),
];

/// Crates of ours that nobody depends on: they may bring what they like for themselves.
const MEASURING: &[&str] = &["hookpoint-bench", "hookpoint-regress"];

/// Crates of others that only those of ours may import that stand beside them.
const DOORS: &[(&str, &str)] = &[
    ("mlua", "hooks-lua"),
    ("clap", "hookpoint-cli"),
    ("syn", "hooks-macros"),
    ("quote", "hooks-macros"),
    ("proc-macro2", "hooks-macros"),
    ("jsonschema", "hooks-tools"),
    // Tools check their parameters; a built-in hook checks what a program's own schemas say.
    ("jsonschema", "hooks-builtin"),
    ("rmcp", "hooks-mcp"),
    ("hyper", "hooks-mcp"),
    ("hyper-rustls", "hooks-mcp"),
    ("hyper-util", "hooks-mcp"),
    ("rustls", "hooks-mcp"),
    // Approval by webhook: one POST, with the same crates.
    ("hyper", "hooks-builtin"),
    ("hyper-rustls", "hooks-builtin"),
    ("hyper-util", "hooks-builtin"),
    ("rustls", "hooks-builtin"),
    ("cap-std", "hooks-tools"),
    ("exmex", "hooks-tools"),
    ("ignore", "hooks-tools"),
    ("grep-searcher", "hooks-tools"),
];

/// A crate of the workspace and what it imports when it is built (tests may import more).
struct Package {
    name: String,
    imports: Vec<String>,
}

fn workspace() -> Vec<Package> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"]))
            .expect("cargo metadata prints JSON");
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let package = |package: &Value| {
        let dependencies = package["dependencies"]
            .as_array()
            .expect("a list of dependencies");
        let built = dependencies.iter().filter(|d| d["kind"] != "dev");
        Package {
            name: text(&package["name"]),
            imports: built.map(|d| text(&d["name"])).collect(),
        }
    };
    packages.iter().map(package).collect()
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    PICTURE
        .iter()
        .find(|(crate_name, _)| *crate_name == name)
        .map(|(_, imports)| *imports)
}

#[test]
fn every_crate_is_in_the_picture() {
    let packages = workspace();
    let unknown: Vec<_> = packages
        .iter()
        .filter(|p| allowed(&p.name).is_none())
        .map(|p| p.name.clone())
        .collect();
    assert_none(
        &unknown,
        "these crates are not in the picture: add each to the picture, here (tests/architecture/imports.rs) and in ARCHITECTURE.md",
    );
    let names = PICTURE.iter().map(|(name, _)| (*name).to_owned());
    let gone: Vec<_> = names
        .filter(|name| !packages.iter().any(|p| p.name == *name))
        .collect();
    assert_none(
        &gone,
        "these crates are in the picture and not in the workspace: remove them from it",
    );
}

#[test]
fn crates_import_only_along_the_arrows() {
    let mut wrong = Vec::new();
    for package in workspace() {
        let may = allowed(&package.name).unwrap_or_default();
        let ours = package
            .imports
            .iter()
            .filter(|import| allowed(import).is_some());
        let beside = ours.filter(|import| !may.contains(&import.as_str()));
        wrong.extend(beside.map(|import| {
            format!(
                "{} -> {import} (it may import: {})",
                package.name,
                may.join(", ")
            )
        }));
    }
    assert_none(
        &wrong,
        "imports that are no arrow in the picture; a new arrow needs a reason, a line in ARCHITECTURE.md and one in PICTURE:",
    );
}

#[test]
fn only_users_import_the_facade_and_nobody_the_command() {
    let mut wrong = Vec::new();
    for package in workspace() {
        let users = ["hookpoint-cli", "hookpoint-example-plugin"];
        let is_user = users
            .iter()
            .chain(MEASURING)
            .any(|user| package.name == *user);
        for import in &package.imports {
            if (import == "hookpoint" && !is_user) || import == "hookpoint-cli" {
                wrong.push(format!("{} -> {import}", package.name));
            }
        }
    }
    assert_none(
        &wrong,
        "the facade is for users (the command, plugins, what measures): inside the workspace import the crate that has the item:",
    );
}

#[test]
fn one_door_to_each_foreign_library() {
    let mut wrong = Vec::new();
    let others = |package: &Package| !MEASURING.contains(&package.name.as_str());
    for package in workspace().into_iter().filter(others) {
        for (library, door) in DOORS {
            let is_door = DOORS.contains(&(*library, package.name.as_str()));
            if !is_door && package.imports.iter().any(|import| import == library) {
                wrong.push(format!("{} -> {library} ({door} may)", package.name));
            }
        }
    }
    assert_none(&wrong, "libraries that are imported beside their one door:");
}
