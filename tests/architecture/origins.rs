//! The repository builds anywhere: nothing in it names the machine or the network it was written on.

use super::{assert_none, root, tracked};

/// Where absolute paths of a build machine begin. Put together here, so that this file does not match itself.
fn machine_paths() -> Vec<String> {
    let mut paths: Vec<String> = ["work", "root"]
        .iter()
        .map(|folder| format!("/{folder}/"))
        .collect();
    // This very machine's, unless the folder is so near the root that its name means nothing.
    if root().components().count() > 2 {
        paths.push(root().display().to_string());
    }
    paths
}

/// Whether the path stands there as an absolute one, and not as the middle of a longer path or address.
fn names(line: &str, path: &str) -> bool {
    let mut ends = line
        .match_indices(path)
        .map(|(at, _)| line[..at].chars().next_back());
    ends.any(|before| before.is_none_or(|c| !c.is_alphanumeric() && !"._-~*/}>".contains(c)))
}

#[test]
fn no_file_names_a_path_of_a_machine() {
    let paths = machine_paths();
    let mut found = Vec::new();
    for (file, text) in tracked() {
        for (number, line) in text.lines().enumerate() {
            found.extend(
                paths
                    .iter()
                    .filter(|path| names(line, path))
                    .map(|path| format!("{file}:{}: {path}", number + 1)),
            );
        }
    }
    assert_none(
        &found,
        "paths that exist on one machine only; use a relative path or a temporary folder:",
    );
}

#[test]
fn crates_come_from_crates_io_and_from_nowhere_else() {
    let public = ["registry", "+https://github.com/rust-lang/crates.io-index"].concat();
    // What a manifest or a configuration says to use another registry, or a mirror of one.
    let keys = [
        "[source.",
        "[registries",
        "replace-with",
        "registry-index",
        "registry =",
    ];
    let schemes = [["sparse", "+http"].concat(), ["registry", "+http"].concat()];
    let mut found = Vec::new();
    for (file, text) in tracked() {
        if file.contains(".cargo/config") {
            found.push(format!(
                "{file}: settings of one machine belong into that machine's home"
            ));
        }
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let other_scheme =
                schemes.iter().any(|s| line.contains(s.as_str())) && !line.contains(&public);
            let other_key = file.ends_with(".toml") && keys.iter().any(|key| line.starts_with(key));
            let git_source = file.ends_with("Cargo.lock") && line.starts_with("source = \"git");
            if other_scheme || other_key || git_source {
                found.push(format!("{file}:{}: {line}", number + 1));
            }
        }
    }
    assert_none(
        &found,
        "dependencies that do not come from crates.io, or that only one network can reach:",
    );
}

#[test]
fn absolute_paths_are_told_from_relative_ones() {
    let path = ["/", "srv", "/"].concat();
    for line in ["/srv/x", "see \"/srv/x\"", "(/srv/x)", "PATH=/srv/x"] {
        assert!(names(line, &path), "{line}");
    }
    for line in [
        "net/srv/x",
        "https://example.org/srv/x",
        "../srv/x",
        "{root}/srv/x",
    ] {
        assert!(!names(line, &path), "{line}");
    }
}
