//! Files that were changed, moved, or written by somebody else allow nothing.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use hooks_builtin::{ApprovalError, ApprovalFolder, TokenApprover};

use super::{asking, pay, reason, token};
use crate::kit::isolated;

/// A folder with one request about `pay("corner", 1)`, and its token.
fn asked() -> (tempfile::TempDir, PathBuf, String) {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("approvals");
    let token = token(&refused_in(&folder));
    (keep, folder, token)
}

/// Why the call is refused by a program that begins with the folder as it is.
fn refused_in(folder: &Path) -> String {
    refused_for(folder, 1)
}

fn refused_for(folder: &Path, cents: u64) -> String {
    let (registry, scope) = isolated();
    let _entered = scope.enter();
    let _asks = asking(&registry, "?");
    registry.set_approver(TokenApprover::new(folder));
    reason(pay("corner", cents))
}

fn allow(folder: &Path, token: &str) -> Result<(), ApprovalError> {
    ApprovalFolder::open(folder)?.allow(token).map(drop)
}

fn request(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    paths.find(is_json).unwrap()
}

fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn every_changed_byte_is_seen() {
    let (_keep, folder, _) = asked();
    let path = request(&folder);
    let good = std::fs::read(&path).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let mut versions = vec![
        text.replacen("\"pending\"", "\"allowed\"", 1).into_bytes(),
        text.replacen("\"expires_at\":\"2", "\"expires_at\":\"3", 1)
            .into_bytes(),
        Vec::new(),
        b"{}\n".to_vec(),
        vec![b'x'; 2 << 20],
        good[..good.len() / 2].to_vec(),
        [good.as_slice(), b" "].concat(),
        [b" ", good.as_slice()].concat(),
    ];
    for at in (0..good.len()).step_by(31) {
        let mut changed = good.clone();
        changed[at] ^= 1;
        versions.push(changed);
    }
    for version in versions {
        assert_ne!(version, good);
        put(&path, &version);
        let why = refused_in(&folder);
        assert!(why.contains("the folder of approvals"), "{why}");
        let (kept, wrong) = ApprovalFolder::open(&folder).unwrap().list().unwrap();
        assert_eq!((kept.len(), wrong.len()), (0, 1));
    }
    put(&path, &good);
    token(&refused_in(&folder));
}

#[test]
fn what_was_allowed_elsewhere_is_not_allowed_here() {
    let (_keep, folder, _) = asked();
    let (_other_keep, other, other_token) = asked();
    allow(&other, &other_token).unwrap();
    // With another key.
    let path = request(&folder);
    put(&path, std::fs::read(request(&other)).unwrap());
    let why = refused_in(&folder);
    assert!(why.contains("was not written with the key"), "{why}");
    std::fs::remove_file(&path).unwrap();
    // With the same key, for another call.
    let cheap = token(&refused_in(&folder));
    allow(&folder, &cheap).unwrap();
    let allowed = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let dear = token(&refused_for(&folder, 1_000_000));
    put(&request(&folder), allowed);
    let why = refused_for(&folder, 1_000_000);
    assert!(why.contains("it is the file of another request"), "{why}");
    assert!(allow(&folder, &dear).is_err());
}

#[test]
fn links_and_files_that_others_can_write_are_not_read() {
    let (keep, folder, asked) = asked();
    allow(&folder, &asked).unwrap();
    let path = request(&folder);
    let moved = keep.path().join("moved.json");
    std::fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    let why = refused_in(&folder);
    assert!(why.contains("the folder of approvals"), "{why}");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let why = refused_in(&folder);
    assert!(why.contains("it is no plain file"), "{why}");
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&moved, &path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).unwrap();
    let why = refused_in(&folder);
    assert!(why.contains("it is open to other users"), "{why}");
}

#[test]
fn a_folder_that_others_can_enter_is_not_used() {
    let (keep, folder, asked) = asked();
    let open =
        |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    open(0o755);
    let why = refused_in(&folder);
    assert!(why.contains("it is open to other users"), "{why}");
    assert!(allow(&folder, &asked).is_err());
    open(0o700);
    let link = keep.path().join("link");
    symlink(&folder, &link).unwrap();
    let why = refused_in(&link);
    assert!(why.contains("it is no folder"), "{why}");
    put(&folder.join("key"), "short");
    let why = refused_in(&folder);
    assert!(why.contains("it is no key"), "{why}");
    // A new key makes what was allowed with the old one worth nothing.
    std::fs::remove_file(folder.join("key")).unwrap();
    assert!(
        ApprovalFolder::open(&folder).is_err(),
        "only who asks makes a key"
    );
    let registry_made = refused_for(&folder, 2);
    token(&registry_made);
    assert!(matches!(
        allow(&folder, &asked),
        Err(ApprovalError::Unknown { .. })
    ));
}

#[test]
fn what_a_stopped_program_left_is_removed_and_a_token_is_what_it_is() {
    let (_keep, folder, asked) = asked();
    put(&folder.join(".unfinished-1"), "{");
    token(&refused_for(&folder, 2));
    assert!(!folder.join(".unfinished-1").exists());
    for wrong in ["", "..", "../x", &asked[..31], "lock", "key"] {
        let error = allow(&folder, wrong).unwrap_err();
        assert!(matches!(error, ApprovalError::Unknown { .. }), "{error}");
    }
}
