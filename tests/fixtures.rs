//! Crates of users, built and run as their users would: `tests/fixtures/`.
//!
//! They are a workspace of their own, copied into the target folder so that nothing is written beside the
//! sources, with the lock file of this workspace so that nothing is downloaded. A crate that must not share its
//! features or its profile with the others has a run of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The copy, and where it is built.
struct Fixtures {
    sources: PathBuf,
    target: PathBuf,
}

impl Fixtures {
    fn prepare() -> Fixtures {
        let product = Path::new(env!("CARGO_MANIFEST_DIR"));
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures");
        let fixtures = Fixtures {
            sources: place.join("sources"),
            target: place.join("target"),
        };
        copy(&product.join("tests/fixtures"), &fixtures.sources, product);
        write(
            &fixtures.sources.join("Cargo.lock"),
            &read(&product.join("Cargo.lock")),
        );
        fixtures
    }

    /// Runs cargo; what it prints, if it succeeds.
    fn cargo(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO"));
        command
            .arg("--offline")
            .args(arguments)
            .current_dir(&self.sources)
            .env("CARGO_TARGET_DIR", &self.target)
            // What this build was asked for is not what a user's is.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("HOOKPOINT_REQUIRE_POLICY");
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{command:?} failed:\n{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }
}

/// The files of a folder, where they differ: cargo builds again what is newer.
fn copy(from: &Path, to: &Path, product: &Path) {
    std::fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    let entries =
        std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("an entry of a folder");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to, product);
            continue;
        }
        let place = product
            .to_str()
            .expect("a path in UTF-8")
            .replace('\\', "/");
        let text = read(&from).replace("path = \"../..\"", &format!("path = {place:?}"));
        write(&to, &text);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// One test, because the runs share one target folder and would wait for each other.
#[test]
fn crates_of_users_build_and_behave() {
    let fixtures = Fixtures::prepare();

    let tests = fixtures.cargo(&[
        "test",
        "--workspace",
        "--lib",
        "--exclude",
        "abort",
        "--exclude",
        "disabled",
        "--exclude",
        "lints",
    ]);
    for name in [
        "functions_are_hooked_through_the_other_name",
        "functions_are_hooked_through_the_third_crate",
        "a_plugin_that_is_never_named_is_not_registered",
        "a_plugin_that_is_named_is_registered",
        "a_plugin_of_the_tests_is_registered_in_tests",
        "a_plugin_that_could_be_loaded_is_registered_where_it_is_linked",
        "every_case_is_a_site",
        "below_1",
        "below_2",
        "above_1",
        "above_2",
    ] {
        assert_eq!(passed(&tests, name), 1, "{name}:\n{tests}");
    }
    assert_eq!(
        passed(&tests, "functions_of_this_edition_are_hooked"),
        3,
        "{tests}"
    );

    // Features of crates that are built together add up.
    let tests = fixtures.cargo(&["test", "--package", "disabled"]);
    assert_eq!(
        passed(&tests, "nothing_is_hooked_and_registering_is_an_error"),
        1,
        "{tests}"
    );
    assert_eq!(passed(&tests, "MistakesAreStillMistakes"), 3, "{tests}");

    let printed = fixtures.cargo(&["run", "--package", "dev_plugin"]);
    assert_eq!(printed.trim(), "0 hooks, passes true");

    // A library that is loaded has a runtime of its own: whatever is found in it is found by nobody else.
    #[cfg(unix)]
    {
        use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
        fixtures.cargo(&["build", "--package", "cdylib_plugin"]);
        let name = format!("{DLL_PREFIX}cdylib_plugin{DLL_SUFFIX}");
        let library = fixtures.target.join("debug").join(name);
        let library = library.to_str().expect("a path in UTF-8");
        let printed = fixtures.cargo(&["run", "--package", "cdylib_host", "--", library]);
        let lines: Vec<_> = printed.lines().collect();
        assert_eq!(
            lines,
            [
                "inside: 1 hooks, passes false",
                "outside: 0 hooks, passes true, sites [\"cdylib.outside\"]",
            ]
        );
    }

    let printed = fixtures.cargo(&["run", "--package", "abort", "--profile", "abort"]);
    assert_eq!(printed.trim(), "hooked");

    fixtures.cargo(&["clippy", "--package", "lints"]);
}

/// How many tests whose path contains the name passed.
fn passed(printed: &str, name: &str) -> usize {
    let lines = printed.lines();
    lines
        .filter(|line| line.starts_with("test ") && line.contains(name) && line.ends_with("... ok"))
        .count()
}
