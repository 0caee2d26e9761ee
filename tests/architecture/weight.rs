//! What a library pays for one attribute: the default tree of `hooks-runtime`.

use std::collections::BTreeSet;

use super::{assert_none, cargo};

/// How many crates that may be, those of build time included.
const LIMIT: usize = 40;

/// What has no place in it, whatever the number: databases, HTTP, policy languages, hashes, ids, time zones,
/// scripts, command lines.
const BANNED: &[&str] = &[
    "axum",
    "blake3",
    "cel",
    "cel-interpreter",
    "chrono",
    "clap",
    "digest",
    "hyper",
    "jiff",
    "jsonschema",
    "md-5",
    "mlua",
    "opentelemetry",
    "redb",
    "regex",
    "reqwest",
    "rusqlite",
    "rustls",
    "sha1",
    "sha2",
    "sqlx",
    "tracing-subscriber",
    "ulid",
    "uuid",
];

/// `name vVersion` of every crate in the tree, the runtime itself left out.
fn tree() -> BTreeSet<String> {
    let printed = cargo(&[
        "tree",
        "-p",
        "hooks-runtime",
        "-e",
        "normal,build",
        "--prefix",
        "none",
    ]);
    let named = printed.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    named
        .filter(|line| !line.starts_with("hooks-runtime "))
        .collect()
}

#[test]
fn the_runtime_stays_light() {
    let tree = tree();
    assert!(
        tree.iter().any(|line| line.starts_with("hooks-macros ")),
        "that is not the runtime's tree: {tree:?}"
    );
    let list: Vec<_> = tree.iter().map(String::as_str).collect();
    assert!(
        tree.len() <= LIMIT,
        "hooks-runtime brings {} crates, at most {LIMIT} are allowed; `cargo tree -i NAME` says who asks for one:\n  {}",
        tree.len(),
        list.join("\n  ")
    );
}

#[test]
fn the_runtime_has_no_heavy_library() {
    let is_banned = |line: &String| BANNED.iter().any(|b| line.split(' ').next() == Some(*b));
    let heavy: Vec<_> = tree().into_iter().filter(is_banned).collect();
    assert_none(
        &heavy,
        "libraries that hooks-runtime must not bring; own a trait in the runtime and plug the library in from above:",
    );
}
