//! Rings in files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::error::BuiltinError;
use crate::files;

/// The dumps of a hook.
pub(super) struct Dumps {
    folder: PathBuf,
    /// What the names of its files begin with.
    prefix: String,
    max: usize,
    written: AtomicU64,
    left_out: AtomicU64,
    /// One at a time, so that their number is right.
    writing: Mutex<()>,
}

impl Dumps {
    pub(super) fn new(folder: &Path, id: &str, max: usize) -> Result<Self, BuiltinError> {
        files::make_folder(folder).map_err(|error| wrong(folder, &error))?;
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "-_".contains(c) {
                c
            } else {
                '_'
            }
        };
        Ok(Dumps {
            folder: folder.to_owned(),
            prefix: format!("{}.", id.chars().map(plain).collect::<String>()),
            max,
            written: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            writing: Mutex::new(()),
        })
    }

    /// Writes what `json` gives, unless there are enough dumps.
    pub(super) fn write(&self, call_id: u64, json: impl FnOnce() -> Value) {
        match self.try_write(call_id, json) {
            Ok(true) => {
                self.written.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                let folder = self.folder.display();
                tracing::error!(target: "hookpoint", %folder, %error, "a dump was not written");
            }
        }
    }

    fn try_write(&self, call_id: u64, json: impl FnOnce() -> Value) -> io::Result<bool> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            count += usize::from(name.to_string_lossy().starts_with(&self.prefix));
            if count >= self.max {
                return Ok(false);
            }
        }
        let name = format!("{}{}.{call_id}.json", self.prefix, std::process::id());
        files::write(&self.folder, &name, json().to_string().as_bytes())?;
        Ok(true)
    }

    /// How many were written, and how many were not.
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (count(&self.written), count(&self.left_out))
    }
}

/// Writes one file.
pub(super) fn write(path: &Path, json: &Value) -> Result<(), BuiltinError> {
    let written = match (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) {
        (Some(folder), Some(name)) => {
            let here = folder.as_os_str().is_empty();
            let folder = if here { Path::new(".") } else { folder };
            files::write(folder, name, json.to_string().as_bytes())
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no name of a file",
        )),
    };
    written.map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, error: &io::Error) -> BuiltinError {
    BuiltinError::Dump {
        path: path.display().to_string().into(),
        why: error.to_string().into(),
    }
}
