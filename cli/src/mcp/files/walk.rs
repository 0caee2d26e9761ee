//! What is looked at when a file is opened by its path.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Component, Path, PathBuf};

/// How many symlinks a path may lead through: as many as Linux follows.
const MAX_SYMLINKS: usize = 40;

/// A folder, a symlink or the file: whoever changes one decides what is opened.
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Its own, if it is a symlink.
    pub(super) about: Metadata,
}

/// Every place between the root and a file, as the system follows its path: each symlink with the folders above it, and
/// then where it leads. The file is the last one.
///
/// # Errors
/// One of them is missing, or there are more than [`MAX_SYMLINKS`] symlinks.
pub(super) fn places(file: &Path) -> io::Result<Vec<Place>> {
    let absolute = std::path::absolute(file)?;
    let mut left: VecDeque<OsString> = steps(&absolute).collect();
    let (mut places, mut symlinks) = (Vec::new(), 0);
    // Where the way has come to; no part of it is a symlink, so that `..` is its parent.
    let mut reached = PathBuf::new();
    while let Some(step) = left.pop_front() {
        if step == ".." {
            reached.pop();
            continue;
        }
        // An absolute path begins anew.
        let path = reached.join(step);
        let about = path.symlink_metadata()?;
        if about.is_symlink() {
            symlinks += 1;
            if symlinks > MAX_SYMLINKS {
                let why = format!("leads through more than {MAX_SYMLINKS} symlinks");
                return Err(io::Error::other(why));
            }
            let target = path.read_link()?;
            left = steps(&target).chain(left).collect();
        } else {
            reached.clone_from(&path);
        }
        places.push(Place { path, about });
    }
    Ok(places)
}

fn steps(path: &Path) -> impl Iterator<Item = OsString> {
    let steps = path.components().filter(|step| *step != Component::CurDir);
    steps.map(|step| step.as_os_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The places beneath a folder, without its path.
    fn beneath(folder: &Path, file: &str) -> Vec<String> {
        let places = places(&folder.join(file)).unwrap();
        let within = |place: &Place| {
            let within = place.path.strip_prefix(folder).ok()?;
            Some(within.display().to_string()).filter(|within| !within.is_empty())
        };
        places.iter().filter_map(within).collect()
    }

    #[test]
    fn symlinks_are_places_as_well_as_what_they_lead_to() {
        let keep = tempfile::tempdir().unwrap();
        let folder = keep.path().canonicalize().unwrap();
        for name in ["real/deep", "mine"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        std::fs::write(folder.join("real/deep/file"), "").unwrap();
        symlink(folder.join("real/deep"), folder.join("mine/absolute")).unwrap();
        symlink("absolute/../deep/./file", folder.join("mine/relative")).unwrap();
        let direct = ["real", "real/deep", "real/deep/file"];
        assert_eq!(beneath(&folder, "mine/../real/deep/file")[1..], direct);
        assert_eq!(
            beneath(&folder, "mine/relative"),
            [
                "mine",
                "mine/relative",
                "mine/absolute",
                "real",
                "real/deep",
                "real/deep",
                "real/deep/file"
            ]
        );
        let all = places(&folder.join("mine/relative")).unwrap();
        assert_eq!(all[0].path, Path::new("/"));
        assert!(all[all.len() - 1].about.is_file());
        assert!(places(&folder.join("mine/none")).is_err());
    }

    #[test]
    fn only_so_many_symlinks_are_followed() {
        let keep = tempfile::tempdir().unwrap();
        let folder = keep.path().canonicalize().unwrap();
        std::fs::write(folder.join("0"), "").unwrap();
        for number in 0..=MAX_SYMLINKS {
            symlink(number.to_string(), folder.join((number + 1).to_string())).unwrap();
        }
        assert!(places(&folder.join(MAX_SYMLINKS.to_string())).is_ok());
        let error = places(&folder.join((MAX_SYMLINKS + 1).to_string())).err();
        let error = error.expect("one too many").to_string();
        assert!(error.contains("more than 40 symlinks"), "{error}");
        symlink("round", folder.join("round")).unwrap();
        assert!(places(&folder.join("round")).is_err());
    }
}
