//! Whether a policy belongs to those whom it is about.

mod walk;

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hookpoint::{HookError, HookRegistry, Vote};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A file that the server's user could write, or could have another one put in its place.
#[derive(Debug)]
pub(crate) struct Writable {
    file: PathBuf,
    /// The file itself, a folder above it, or a symlink that leads to it.
    place: PathBuf,
    why: &'static str,
}

impl fmt::Display for Writable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the server could change its own policy: {} {}. Let the file and the folders above it belong to another user (sudo install -o root -m 644 {} /etc/hookpoint/), or write --allow-writable-policy if that is meant",
            self.place.display(),
            self.why,
            self.file.display(),
        )
    }
}

impl std::error::Error for Writable {}

/// Refuses a file that a process of this user could write. The server runs as this user.
pub(crate) fn check(file: &Path) -> Result<(), HookError> {
    look(file).map_err(|error| refused(file, &*error))
}

fn refused(file: &Path, error: &dyn std::error::Error) -> HookError {
    HookError::Configuration {
        what: file.display().to_string().into(),
        cause: error.to_string().into(),
    }
}

/// Looks at what scripts consist of before it is loaded: themselves, and what they require, at the start and when they
/// are reloaded. `scripts`: those that were asked for.
///
/// # Errors
/// There is no such script.
pub(crate) fn check_loads(registry: &HookRegistry, scripts: &[PathBuf]) -> Result<(), HookError> {
    // `require` finds files beneath the folder of a script only, wherever symlinks to the script lead, and they are
    // named from there.
    let mut folders = Vec::new();
    for script in scripts {
        let real = script
            .canonicalize()
            .map_err(|error| refused(script, &error))?;
        let both = [script.parent(), real.parent()];
        folders.extend(both.into_iter().flatten().map(Path::to_owned));
    }
    let guard = registry.on("mcp.policy-files").point("script.load");
    let guard = guard.describe("refuses scripts that the server could write");
    let guard = guard.guard(move |cx| {
        let Some(name) = cx.component().map(Path::new) else {
            return Ok(Vote::cancel("a script without a name cannot be looked at"));
        };
        let beneath = folders.iter().map(|folder| folder.join(name));
        let found: Vec<PathBuf> = beneath
            .chain([name.to_owned()])
            .filter(|file| file.is_file())
            .collect();
        if found.is_empty() {
            return Ok(Vote::cancel("there is no file of this name to look at"));
        }
        let checked = found.iter().try_for_each(|file| check(file));
        Ok(match checked {
            Ok(()) => Vote::Pass,
            Err(error) => Vote::cancel(error.to_string()),
        })
    });
    guard?.forget();
    Ok(())
}

fn look(file: &Path) -> Result<(), Failure> {
    let user = rustix::process::geteuid().as_raw();
    let groups = groups()?;
    // From the file upwards: what is told of is the nearest.
    for place in walk::places(file)?.into_iter().rev() {
        if let Some(why) = could_write(&place.about, user, &groups) {
            let (file, place) = (file.to_owned(), place.path);
            return Err(Writable { file, place, why }.into());
        }
    }
    Ok(())
}

fn groups() -> io::Result<Vec<u32>> {
    let mut groups: Vec<u32> = rustix::process::getgroups()?
        .iter()
        .map(|g| g.as_raw())
        .collect();
    groups.push(rustix::process::getegid().as_raw());
    Ok(groups)
}

/// Why that user could write it. In a folder with the sticky bit only owners rename and remove; the mode of a symlink
/// means nothing.
fn could_write(about: &Metadata, user: u32, groups: &[u32]) -> Option<&'static str> {
    let sticky = about.is_dir() && about.mode() & 0o1000 != 0;
    let by_mode = !sticky && !about.is_symlink();
    if user == 0 {
        Some("can be written by root, as whom the server runs")
    } else if about.uid() == user {
        Some("belongs to the user as whom the server runs")
    } else if about.mode() & 0o002 != 0 && by_mode {
        Some("can be written by everybody")
    } else if about.mode() & 0o020 != 0 && groups.contains(&about.gid()) && by_mode {
        Some("can be written by a group of the user as whom the server runs")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_groups_and_everybody_could_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.lua");
        std::fs::write(&file, "").unwrap();
        let mode = |mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            file.metadata().unwrap()
        };
        let (owner, group) = (mode(0o644).uid(), mode(0o644).gid());
        let (other, none) = (owner + 1, [group + 1]);
        assert!(could_write(&mode(0o444), owner, &none).is_some());
        assert!(could_write(&mode(0o644), other, &none).is_none());
        assert!(could_write(&mode(0o664), other, &none).is_none());
        assert!(could_write(&mode(0o664), other, &[group]).is_some());
        assert!(could_write(&mode(0o646), other, &none).is_some());
        assert!(could_write(&mode(0o444), 0, &none).is_some());
        // A file's sticky bit means nothing; that of a folder does, as in /tmp: others make files there, and leave
        // those of others alone.
        assert!(could_write(&mode(0o1646), other, &none).is_some());
        let shared = folder.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let about = |mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(mode)).unwrap();
            shared.metadata().unwrap()
        };
        assert!(could_write(&about(0o1777), other, &none).is_none());
        assert!(could_write(&about(0o777), other, &none).is_some());
        // Only its owner could replace a symlink there.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        let about = link.symlink_metadata().unwrap();
        assert!(could_write(&about, other, &[group]).is_none());
        assert!(could_write(&about, owner, &none).is_some());
        // Ours.
        let error = check(&file).unwrap_err().to_string();
        assert!(
            error.contains("--allow-writable-policy") && error.contains("policy.lua"),
            "{error}"
        );
        let missing = check(&folder.path().join("none.lua")).unwrap_err();
        assert!(missing.to_string().contains("none.lua"), "{missing}");
    }
}
