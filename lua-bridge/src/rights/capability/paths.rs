//! Which files a capability covers.

use std::path::{Component, Path, PathBuf};

/// Covers every path.
const ANY: &str = "*";

/// What is wrong with a path, if something is.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("it names no path; write for example `fs:write:./logs`");
    }
    match goes_up(Path::new(path)) {
        true => Err("a path with `..` leads where it does not say; write the path that is meant"),
        false => Ok(()),
    }
}

/// Whether one path is the other one, or a folder around it. Links count as where they lead, as far as there is
/// something there.
///
/// That is so now. The file is opened later and by its name, so a link that is made meanwhile is followed; and a hard
/// link is not told from the file. Scripts can make neither; see the decision on built-in hooks from scripts.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    if wide == ANY {
        return true;
    }
    if narrow == ANY || goes_up(Path::new(narrow)) {
        return false;
    }
    match (place(Path::new(wide)), place(Path::new(narrow))) {
        (Some(wide), Some(narrow)) => narrow.starts_with(wide),
        _ => false,
    }
}

fn goes_up(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// Where a path leads: without links in what there is of it.
fn place(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    for there in path.ancestors() {
        if let Ok(real) = there.canonicalize() {
            let rest = path.strip_prefix(there).ok()?;
            // Joined with nothing, it would end in a separator.
            return Some(match rest.as_os_str().is_empty() {
                true => real,
                false => real.join(rest),
            });
        }
        // A link to nothing: where it leads is not known.
        if there.is_symlink() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_covers_what_is_beneath_it() {
        for (wide, narrow, is) in [
            ("logs", "logs", true),
            ("logs", "./logs/a/b.log", true),
            ("./logs/", "logs/a.log", true),
            ("logs", "logs.old/a.log", false),
            ("logs/a.log", "logs", false),
            ("logs", "logs/../secret", false),
            (".", "logs/a.log", true),
            ("*", "/anywhere", true),
            ("logs", "*", false),
            ("logs", "/logs/a.log", false),
        ] {
            assert_eq!(covers(wide, narrow), is, "{wide} {narrow}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_count_as_where_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(path("logs")).unwrap();
        std::fs::create_dir(path("secret")).unwrap();
        std::os::unix::fs::symlink(path("secret"), path("logs/out")).unwrap();
        std::os::unix::fs::symlink(path("nothing"), path("logs/broken")).unwrap();
        assert!(covers(&path("logs"), &path("logs/new.log")));
        assert!(!covers(&path("logs"), &path("logs/out/new.log")));
        assert!(!covers(&path("logs"), &path("logs/broken")));
        assert!(covers(&path("secret"), &path("logs/out/new.log")));
    }
}
