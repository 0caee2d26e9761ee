//! Where the code of a script comes from, and which files were read for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::ScriptError;

/// Files with a fingerprint of what was read, by which a change is seen; nothing: there is no such file.
pub(crate) type Files = BTreeMap<PathBuf, Option<u64>>;

/// The files of one version of a script.
pub(crate) struct Sources {
    /// The folder of the script, without links; nothing: the script is not a file.
    pub(crate) root: Option<PathBuf>,
    /// The longest file, in bytes.
    limit: u64,
    files: Mutex<Files>,
}

impl Sources {
    pub(crate) fn new(root: Option<PathBuf>, limit: u64) -> Self {
        let files = Mutex::default();
        Sources { root, limit, files }
    }

    /// Reads a file, which counts as one of the script's from here on.
    pub(crate) fn read(&self, path: &Path) -> Result<String, ScriptError> {
        let failed = |source| ScriptError::Read {
            path: path.to_owned(),
            source,
        };
        self.note(path, None);
        let file = File::open(path).map_err(failed)?;
        let mut text = String::new();
        let read = file.take(self.limit + 1).read_to_string(&mut text);
        if read.map_err(failed)? as u64 > self.limit {
            return Err(ScriptError::TooLong {
                path: path.to_owned(),
                limit: self.limit,
            });
        }
        self.note(path, Some(fingerprint(text.as_bytes())));
        Ok(text)
    }

    /// A file that belongs to the script, whether it is there or not.
    pub(crate) fn note(&self, path: &Path, fingerprint: Option<u64>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(path.to_owned(), fingerprint);
    }

    pub(crate) fn files(&self) -> Files {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.clone()
    }
}

/// The fingerprint of a file as it is now.
pub(crate) fn fingerprint_of(path: &Path, limit: u64) -> io::Result<u64> {
    let mut bytes = Vec::new();
    // What is behind the limit is not read when the script is loaded either.
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(fingerprint(&bytes))
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
