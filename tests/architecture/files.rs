//! How the sources are cut into files.

use super::{assert_none, tracked};

/// Lines of the longest source file that is allowed.
const LONGEST: usize = 600;

/// Names that say nothing about what is inside, so that anything ends up there.
const DRAWERS: &[&str] = &["utils", "common", "helpers", "manager"];

fn is_source(path: &str) -> bool {
    path.ends_with(".rs") && path.split('/').any(|folder| folder == "src")
}

#[test]
fn no_source_file_is_too_long() {
    let long = tracked()
        .into_iter()
        .filter(|(path, _)| is_source(path))
        .filter_map(|(path, text)| {
            let lines = text.lines().count();
            (lines > LONGEST).then(|| format!("{path}: {lines} lines"))
        });
    assert_none(
        &long.collect::<Vec<_>>(),
        &format!(
            "files aim at 90 to 250 lines, and {LONGEST} is the most; move one noun of each to a file of its own:"
        ),
    );
}

#[test]
fn no_file_or_module_is_a_drawer() {
    let mut found = Vec::new();
    for (path, text) in tracked() {
        let Some(stem) = path.strip_suffix(".rs") else {
            continue;
        };
        if stem.split('/').any(|name| DRAWERS.contains(&name)) {
            found.push(path.clone());
        }
        for (number, line) in text.lines().enumerate() {
            if module(line).is_some_and(|name| DRAWERS.contains(&name)) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(
        &found,
        "name the file or module after what is in it; one noun, one home:",
    );
}

/// The name in `mod name;` or `pub(crate) mod name {`.
fn module(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("mod ")?;
    let before = before.trim();
    let is_item = before.is_empty()
        || before == "pub"
        || (before.starts_with("pub(") && before.ends_with(')'));
    let name = after.trim_end_matches(['{', ';', '}', ' ']);
    (is_item && name.chars().all(|c| c.is_alphanumeric() || c == '_')).then_some(name)
}

#[test]
fn modules_are_recognised() {
    assert_eq!(module("mod utils;"), Some("utils"));
    assert_eq!(module("    pub(crate) mod common {"), Some("common"));
    assert_eq!(module("// a mod helpers would be wrong"), None);
}
