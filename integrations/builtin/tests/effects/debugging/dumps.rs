//! Rings in files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hooks_builtin::{BuiltinError, CallFilter, DebuggingHook};
use hooks_runtime::Outcome;
use serde_json::Value;

use super::{AWS, panics, place};
use crate::kit::{Runs, buy, isolated, order, write};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_panic_leaves_a_file_of_the_last_calls() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("in").join("dumps");
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let hook = DebuggingHook::new()
        .dump_on(Outcome::Panicked)
        .dump_dir(&folder);
    let hook = hook.stacks(Outcome::Panicked).values(true).max_dumps(2);
    let (_hook, ring) = place(&registry, "d/panic", hook);
    assert!(files(&folder).is_empty());
    let runs = Runs::default();
    buy("corner", order("", 1), &runs).unwrap_err();
    write("corner", AWS.into(), Value::Null, None).unwrap();
    assert!(files(&folder).is_empty(), "nobody panicked");
    panics("back");
    let dumped = files(&folder);
    let [path] = &dumped[..] else {
        panic!("{dumped:?}")
    };
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with(&format!("d_panic.{}.", std::process::id())),
        "{name}"
    );
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(path)), (0o700, 0o600));
    let json = read(path);
    let outcomes = [0, 1, 2].map(|at| json["calls"][at]["outcome"].clone());
    assert_eq!(outcomes, ["failed", "returned", "panicked"]);
    assert!(
        json["calls"][2]["stack"]
            .as_str()
            .unwrap()
            .contains("panics")
    );
    let text = json.to_string();
    assert!(!text.contains(AWS) && !text.contains("MARKER"), "{text}");
    // So many, and no more until there is room.
    panics("back");
    panics("back");
    assert_eq!(files(&folder).len(), 2);
    assert_eq!(
        (ring.figures().dumps, ring.figures().dumps_left_out),
        (2, 1)
    );
    std::fs::remove_file(path).unwrap();
    panics("back");
    assert_eq!((files(&folder).len(), ring.figures().dumps), (2, 3));
}

#[test]
fn eight_threads_that_fail_leave_no_more_files_than_allowed() {
    let keep = tempfile::tempdir().unwrap();
    let (registry, scope) = isolated();
    let hook = DebuggingHook::new()
        .dump_on(Outcome::Failed)
        .dump_dir(keep.path())
        .max_dumps(5);
    let (_hook, ring) = place(&registry, "d-many", hook);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let _entered = scope.enter();
                let runs = Runs::default();
                for _ in 0..4 {
                    buy("corner", order("", 1), &runs).unwrap_err();
                }
            });
        }
    });
    let dumped = files(keep.path());
    assert_eq!(dumped.len(), 5);
    for path in dumped {
        assert!(!read(&path)["calls"].as_array().unwrap().is_empty());
    }
    assert_eq!(
        (ring.figures().dumps, ring.figures().dumps_left_out),
        (5, 27)
    );
}

#[test]
fn a_dump_that_cannot_be_written_is_nobodys_failure() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("dumps");
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let hook = DebuggingHook::new()
        .dump_on(Outcome::Returned)
        .dump_dir(&folder);
    let (_hook, ring) = place(&registry, "d-gone", hook);
    std::fs::remove_dir(&folder).unwrap();
    buy("corner", order("tea", 1), &Runs::default()).unwrap();
    assert_eq!(
        (ring.figures().dumps, ring.figures().dumps_left_out),
        (0, 1)
    );
    // On demand there is an error.
    let error = ring
        .dump(folder.join("x.json"), &CallFilter::new())
        .unwrap_err();
    assert!(matches!(error, BuiltinError::Dump { .. }), "{error}");
    let path = keep.path().join("x.json");
    ring.dump(&path, &CallFilter::new()).unwrap();
    assert_eq!(read(&path)["figures"]["dumps_left_out"], 1);
    ring.dump(&path, &CallFilter::new().outcome(Outcome::Failed))
        .unwrap();
    assert_eq!(read(&path)["calls"], serde_json::json!([]));
}
