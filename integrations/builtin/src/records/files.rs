//! The file that lines are appended to, and those that were put aside.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub(super) struct Files {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    open: Mutex<Open>,
    /// Records that could not be written since the last one that was.
    lost: AtomicU64,
}

struct Open {
    file: File,
    length: u64,
}

impl Files {
    pub(super) fn open(path: &Path, max_bytes: u64, keep: u32) -> io::Result<Files> {
        let (file, length) = append_to(path)?;
        Ok(Files {
            path: path.to_owned(),
            max_bytes,
            keep,
            open: Mutex::new(Open { file, length }),
            lost: AtomicU64::new(0),
        })
    }

    /// One record found no room.
    pub(super) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Appends lines. What cannot be written is counted, in the log and in the next line that can be.
    pub(super) fn append(&self, lines: impl Iterator<Item = String>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut text, mut count) = (String::new(), 0);
        for line in lines {
            text += &line;
            count += 1;
            if open.length + text.len() as u64 >= self.max_bytes {
                self.write(&mut open, &std::mem::take(&mut text), count);
                count = 0;
            }
        }
        self.write(&mut open, &text, count);
    }

    fn write(&self, open: &mut Open, text: &str, lines: u64) {
        if lines == 0 {
            return;
        }
        if let Err(error) = self.try_write(open, text) {
            let path = self.path.display();
            tracing::error!(%path, %error, lines, "records of calls could not be written");
            self.lost.fetch_add(lines, Ordering::Relaxed);
        }
    }

    fn try_write(&self, open: &mut Open, text: &str) -> io::Result<()> {
        if open.length >= self.max_bytes {
            self.put_aside(open)?;
        }
        self.write_lost(open)?;
        append(open, text)
    }

    /// Says in the file how many records are missing there.
    fn write_lost(&self, open: &mut Open) -> io::Result<()> {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            append(open, &format!("{{\"lost\":{lost}}}\n"))?;
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        Ok(())
    }

    /// `path` becomes `path.1`, that one `path.2`, …; the oldest goes.
    fn put_aside(&self, open: &mut Open) -> io::Result<()> {
        for number in (0..self.keep).rev() {
            match std::fs::rename(self.number(number), self.number(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.keep == 0 {
            std::fs::remove_file(&self.path)?;
        }
        (open.file, open.length) = append_to(&self.path)?;
        Ok(())
    }

    fn number(&self, number: u32) -> PathBuf {
        match number {
            0 => self.path.clone(),
            number => aside(&self.path, number),
        }
    }
}

/// Where a file that was put aside is; the youngest is 1.
pub(super) fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

impl Drop for Files {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.write_lost(&mut open) {
            let (path, lost) = (self.path.display(), self.lost.load(Ordering::Relaxed));
            tracing::error!(%path, %error, lost, "records of calls are missing");
        }
    }
}

/// Appends whole lines or nothing.
fn append(open: &mut Open, text: &str) -> io::Result<()> {
    let written = open.file.write_all(text.as_bytes());
    if let Err(error) = written {
        // A part of a line would spoil the next one.
        open.file.set_len(open.length)?;
        return Err(error);
    }
    open.length += text.len() as u64;
    Ok(())
}

/// The file, for this hook alone, and its length.
fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::other(
                "another hook writes it; give each a file of its own",
            ));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let length = file.metadata()?.len();
    Ok((file, length))
}
