//! The directory that a file tool may not leave.

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::ToolError;

/// An open directory beneath which a tool may read.
///
/// Paths are checked twice: by their form here, for a clear message, and while they are opened, link by link, so
/// that a link which is swapped in the meantime leads nowhere either.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    dir: Dir,
}

impl Root {
    /// Opens the directory.
    ///
    /// # Errors
    /// If it does not exist, is not a directory or may not be read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().canonicalize()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        Ok(Root { path, dir })
    }

    /// Its canonical path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `given` relative to the root: a relative path, or an absolute one that lies beneath it.
    ///
    /// # Errors
    /// [`ToolError::Path`] if it has a `..`, is absolute and lies elsewhere, or holds a NUL.
    pub fn relative(&self, tool: &str, given: &str) -> Result<PathBuf, ToolError> {
        let path = Path::new(given);
        if given.contains('\0') {
            return Err(self.refuse(tool, given, "holds a NUL character"));
        }
        if path.components().any(|c| c == Component::ParentDir) {
            return Err(self.refuse(
                tool,
                given,
                "has a `..`; write the path from the root directory, without `..`",
            ));
        }
        let beneath = match path.is_absolute() {
            true => path.strip_prefix(&self.path).map_err(|_| {
                self.refuse(
                    tool,
                    given,
                    "lies outside the root directory; write a path relative to it",
                )
            })?,
            false => path,
        };
        let clean: PathBuf = beneath
            .components()
            .filter(|c| matches!(c, Component::Normal(_)))
            .collect();
        Ok(if clean.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            clean
        })
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`ToolError::Path`] as for [`Root::relative`], if a link leads outside, or if it is not a regular file;
    /// [`ToolError::Io`] if it can't be opened.
    pub fn open_file(&self, tool: &str, given: &str) -> Result<File, ToolError> {
        let relative = self.relative(tool, given)?;
        // Without blocking on a named pipe that nobody writes to: look before opening.
        let metadata = self
            .dir
            .metadata(&relative)
            .map_err(|error| self.io(tool, given, error))?;
        if !metadata.is_file() {
            let kind = if metadata.is_dir() {
                "is a directory, not a file"
            } else {
                "is not a regular file"
            };
            return Err(self.refuse(tool, given, kind));
        }
        match self.dir.open(&relative) {
            Ok(file) => Ok(file.into_std()),
            Err(error) => Err(self.io(tool, given, error)),
        }
    }

    /// The absolute path of a directory beneath the root, links resolved.
    ///
    /// # Errors
    /// As [`Root::open_file`], for a directory.
    pub fn directory(&self, tool: &str, given: &str) -> Result<PathBuf, ToolError> {
        let relative = self.relative(tool, given)?;
        let metadata = self
            .dir
            .metadata(&relative)
            .map_err(|error| self.io(tool, given, error))?;
        if !metadata.is_dir() {
            return Err(self.refuse(tool, given, "is not a directory"));
        }
        let inner = self
            .dir
            .canonicalize(&relative)
            .map_err(|error| self.io(tool, given, error))?;
        Ok(self.path.join(inner))
    }

    fn refuse(&self, tool: &str, given: &str, reason: &str) -> ToolError {
        ToolError::Path {
            tool: tool.to_owned(),
            path: given.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn io(&self, tool: &str, given: &str, source: io::Error) -> ToolError {
        // The system says "not permitted" with a code for its own refusals; an escape is found without one.
        if source.kind() == io::ErrorKind::PermissionDenied && source.raw_os_error().is_none() {
            return self.refuse(
                tool,
                given,
                "leads outside the root directory through a link",
            );
        }
        ToolError::Io {
            tool: tool.to_owned(),
            path: given.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_files() -> (tempfile::TempDir, Root) {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/in.txt"), "in").unwrap();
        std::fs::write(temp.path().join("out.txt"), "out").unwrap();
        let root = Root::open(root).unwrap();
        (temp, root)
    }

    fn read(root: &Root, path: &str) -> Result<String, String> {
        let file = root
            .open_file("t", path)
            .map_err(|error| error.to_string())?;
        io::read_to_string(file).map_err(|error| error.to_string())
    }

    #[test]
    fn paths_beneath_are_read_relative_or_absolute() {
        let (_temp, root) = with_files();
        assert_eq!(read(&root, "sub/in.txt").unwrap(), "in");
        assert_eq!(read(&root, "./sub/./in.txt").unwrap(), "in");
        assert_eq!(
            read(&root, root.path().join("sub/in.txt").to_str().unwrap()).unwrap(),
            "in"
        );
        assert_eq!(root.directory("t", "").unwrap(), root.path());
    }

    #[test]
    fn paths_that_lead_out_are_refused_with_the_reason() {
        let (temp, root) = with_files();
        assert!(
            read(&root, "../out.txt")
                .unwrap_err()
                .contains("has a `..`")
        );
        assert!(
            read(&root, "sub/../../out.txt")
                .unwrap_err()
                .contains("has a `..`")
        );
        let outside = temp.path().canonicalize().unwrap().join("out.txt");
        assert!(
            read(&root, outside.to_str().unwrap())
                .unwrap_err()
                .contains("outside the root directory")
        );
        assert!(read(&root, "a\0b").unwrap_err().contains("NUL"));
        assert!(read(&root, "sub").unwrap_err().contains("is a directory"));
        assert!(
            read(&root, "none.txt")
                .unwrap_err()
                .contains("No such file")
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_refused_and_links_within_are_followed() {
        use std::os::unix::fs::symlink;
        let (temp, root) = with_files();
        symlink(temp.path().join("out.txt"), root.path().join("absolute")).unwrap();
        symlink("../out.txt", root.path().join("relative")).unwrap();
        symlink("..", root.path().join("up")).unwrap();
        symlink("sub/in.txt", root.path().join("within")).unwrap();
        for path in ["absolute", "relative", "up/out.txt"] {
            assert!(
                read(&root, path)
                    .unwrap_err()
                    .contains("leads outside the root directory"),
                "{path}"
            );
        }
        assert!(
            root.directory("t", "up")
                .unwrap_err()
                .to_string()
                .contains("leads outside")
        );
        assert_eq!(read(&root, "within").unwrap(), "in");
    }
}
