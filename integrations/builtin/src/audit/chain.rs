//! The form of a line, and whether a file of them is whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::BuiltinError;

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 64 << 20;
/// What comes between what is hashed and the hash.
const HASH: &str = ",\"hash\":\"";
/// `HASH`, 64 digits, and the end of the object.
const SUFFIX: usize = HASH.len() + 64 + "\"}".len();

/// The last link of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) lines: u64,
    pub(super) hash: String,
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many lines there are.
    pub lines: u64,
    /// The hash of the last one, in hexadecimal digits. Whoever can write the file can also leave lines out at
    /// its end, or write another chain: compare with a value that was kept elsewhere.
    pub head: String,
    /// How many bytes at the end are not a whole line: the program was stopped while it wrote.
    pub torn_bytes: u64,
}

impl Link {
    /// Before the first line.
    pub(super) fn first() -> Self {
        Link {
            lines: 0,
            hash: blake3::hash(b"hookpoint audit").to_hex().to_string(),
        }
    }

    /// The next line and its link.
    pub(super) fn append(&self, body: Map<String, Value>) -> (String, Link) {
        let mut fields = Map::new();
        fields.insert("seq".into(), self.lines.into());
        fields.extend(body);
        fields.insert("prev".into(), self.hash.as_str().into());
        let mut line = Value::Object(fields).to_string();
        line.pop();
        let hash = blake3::hash(line.as_bytes()).to_hex().to_string();
        line.push_str(HASH);
        line.push_str(&hash);
        line.push_str("\"}\n");
        let lines = self.lines + 1;
        (line, Link { lines, hash })
    }

    /// The link of a line that was read, without its newline; `Err`: what is wrong.
    fn read(&self, line: &[u8]) -> Result<Link, &'static str> {
        let at = line.len().checked_sub(SUFFIX).ok_or("is too short")?;
        let (hashed, suffix) = line.split_at(at);
        let hash = blake3::hash(hashed).to_hex();
        if suffix != format!("{HASH}{hash}\"}}").as_bytes() {
            return Err("was changed: its hash is another one");
        }
        let whole = serde_json::from_slice::<Value>(line).map_err(|_| "is not JSON")?;
        if whole["prev"] != self.hash.as_str() || whole["seq"] != self.lines {
            return Err(
                "does not follow the one before it: lines are missing, added, or in another order",
            );
        }
        let lines = self.lines + 1;
        let hash = hash.to_string();
        Ok(Link { lines, hash })
    }
}

/// Reads a trail and checks that every line is as it was written, and follows the one before it.
///
/// # Errors
/// [`BuiltinError::Trail`] with the first line that is not, and if the file cannot be read.
pub fn verify(path: impl AsRef<Path>) -> Result<Verified, BuiltinError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| trail(path, 0, error.to_string()))?;
    let (link, torn_bytes) = read(path, &file)?;
    Ok(Verified {
        lines: link.lines,
        head: link.hash,
        torn_bytes,
    })
}

/// The last link of a file, and how many bytes after it are not a line.
pub(super) fn read(path: &Path, file: &File) -> Result<(Link, u64), BuiltinError> {
    let (mut link, mut reader) = (Link::first(), BufReader::new(file));
    let mut line = Vec::new();
    loop {
        line.clear();
        let at = link.lines + 1;
        let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|error| trail(path, at, error.to_string()))? as u64;
        if line.last() != Some(&b'\n') {
            if read == MAX_LINE {
                return Err(trail(path, at, "is longer than 64 MiB".to_owned()));
            }
            return Ok((link, read));
        }
        line.pop();
        link = link
            .read(&line)
            .map_err(|why| trail(path, at, why.to_owned()))?;
    }
}

pub(super) fn trail(path: &Path, line: u64, why: String) -> BuiltinError {
    BuiltinError::Trail {
        path: path.display().to_string().into(),
        line,
        why: why.into(),
    }
}
