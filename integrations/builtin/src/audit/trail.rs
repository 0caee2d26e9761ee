//! The file that lines are appended to.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use super::chain::{self, Link, trail};
use crate::error::BuiltinError;

/// A file with a chain in it, for one writer.
pub(super) struct Trail(Mutex<Inner>);

struct Inner {
    file: File,
    /// Up to here the file is whole lines.
    length: u64,
    link: Link,
    /// Something after `length` may be the beginning of a line.
    dirty: bool,
    /// Lines that could not be written since the last one that was.
    lost: u64,
    torn: u64,
    sync_every: u64,
    unsynced: u64,
}

impl Trail {
    /// Goes on with the chain that is in the file, or begins one.
    pub(super) fn open(path: &Path, sync_every: u64) -> Result<Trail, BuiltinError> {
        let wrong = |why: String| trail(path, 0, why);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(path).map_err(|e| wrong(e.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = "another audit hook writes it; give each a file of its own";
                return Err(wrong(why.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(wrong(error.to_string())),
        }
        let (link, torn) = chain::read(path, &file)?;
        let end = file.seek(SeekFrom::End(0));
        let length = end.map_err(|e| wrong(e.to_string()))? - torn;
        Ok(Trail(Mutex::new(Inner {
            file,
            length,
            link,
            dirty: torn > 0,
            lost: 0,
            torn,
            sync_every,
            unsynced: 0,
        })))
    }

    /// Appends a line; on an error the chain is as before.
    pub(super) fn append(&self, body: Map<String, Value>) -> std::io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = inner.append(body);
        if written.is_err() {
            inner.lost += 1;
        }
        written
    }

    /// Whether the last line was written; if not, tries to say so in the file.
    pub(super) fn is_writable(&self) -> std::io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.lost == 0 {
            return Ok(());
        }
        let mut body = Map::new();
        body.insert("event".into(), "resumed".into());
        inner.append(body)
    }
}

impl Inner {
    fn append(&mut self, mut body: Map<String, Value>) -> std::io::Result<()> {
        if self.dirty {
            self.file.set_len(self.length)?;
            self.dirty = false;
        }
        if self.torn > 0 {
            body.insert("torn_bytes".into(), self.torn.into());
        }
        if self.lost > 0 {
            body.insert("lost".into(), self.lost.into());
        }
        let (line, link) = self.link.append(body);
        self.dirty = true;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(line.as_bytes())?;
        if self.sync_every > 0 {
            self.unsynced += 1;
            if self.unsynced >= self.sync_every {
                self.file.sync_data()?;
                self.unsynced = 0;
            }
        }
        self.dirty = false;
        self.length += line.len() as u64;
        self.link = link;
        (self.lost, self.torn) = (0, 0);
        Ok(())
    }
}
