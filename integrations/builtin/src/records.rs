//! Records of calls, in files that `replay` reads.

mod files;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::batch::{BatchedHookExecutor, WhenFull};
use hooks_runtime::{ArgLevel, DecisionRecord, Outcome, PreparedHook, Priority};
use serde::Deserialize;
use serde_json::Value;

use crate::error::BuiltinError;
use crate::kinds::{BuiltinHook, Needs, Replay};
use crate::placement::Placement;
use crate::redaction::{RedactionHook, Redacts};
use files::Files;

/// What becomes of a record when as many wait as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Full {
    /// It is not written, and counted: the next line of the file says how many are `lost`.
    #[default]
    Drop,
    /// The call waits.
    Wait,
}

/// Writes the record of each call that is done as one line of JSON: the form of
/// [`DecisionRecord::to_json`], without which nothing can be replayed. The lines are written on a thread of their own,
/// many at once; what waits is written when the hook is dropped.
///
/// Reasons of refusals and failures may quote what hooks saw, and facts of sites may be anything, so they are redacted
/// as [`RedactionHook`] does by default, whatever the level of the arguments.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordsHook {
    path: PathBuf,
    args: ArgLevel,
    only: Vec<Outcome>,
    max_file_bytes: u64,
    keep: u32,
    max_age_ms: u64,
    capacity: usize,
    when_full: Full,
}

impl Default for RecordsHook {
    fn default() -> Self {
        RecordsHook {
            path: PathBuf::new(),
            args: ArgLevel::Digest,
            only: Vec::new(),
            max_file_bytes: 64 << 20,
            keep: 4,
            max_age_ms: 100,
            capacity: 16_384,
            when_full: Full::Drop,
        }
    }
}

/// How many files may be put aside.
const MOST_KEPT: u32 = 1000;

impl RecordsHook {
    /// Records in that file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        RecordsHook::default().path(path)
    }
    /// The file, which is made if it is not there, readable for its owner only, and goes on if it is. It belongs to
    /// one hook of one process at a time. Must be given.
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = path.into();
        self
    }
    /// How much of the arguments is written: names, digests, values as the registry's redactor leaves them, or values
    /// as they are. Default: [`ArgLevel::Digest`].
    pub fn args(mut self, level: ArgLevel) -> Self {
        self.args = level;
        self
    }
    /// Only calls that ended so. Default: all.
    pub fn only(mut self, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.only = outcomes.into_iter().collect();
        self
    }
    /// A file that is longer, in bytes from 4,096, is put aside as `path.1`, that one as `path.2`, and so on. Default:
    /// 64 MiB.
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes;
        self
    }
    /// How many files that were put aside are kept, 0 to 1,000; the oldest is removed. Default: 4.
    pub fn keep(mut self, files: u32) -> Self {
        self.keep = files;
        self
    }
    /// How long a record waits for others at most, in milliseconds from 1. Default: 100.
    pub fn max_age_ms(mut self, milliseconds: u64) -> Self {
        self.max_age_ms = milliseconds;
        self
    }
    /// How many records wait at most, from 1. Default: 16,384.
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records;
        self
    }
    /// What becomes of a record when as many wait. Default: [`Full::Drop`].
    pub fn when_full(mut self, when_full: Full) -> Self {
        self.when_full = when_full;
        self
    }

    fn check(&self) -> Result<(), BuiltinError> {
        let wrong = [
            (self.path.as_os_str().is_empty(), "path", "must be given"),
            (
                self.max_file_bytes < 4096,
                "max_file_bytes",
                "must be at least 4096",
            ),
            (self.keep > MOST_KEPT, "keep", "must be at most 1000"),
            (self.max_age_ms == 0, "max_age_ms", "must be at least 1"),
            (self.capacity == 0, "capacity", "must be at least 1"),
        ];
        match wrong.into_iter().find(|(is_wrong, ..)| *is_wrong) {
            Some((_, option, why)) => Err(bad(option, why.to_owned())),
            None => Ok(()),
        }
    }
}

fn bad(option: &'static str, why: String) -> BuiltinError {
    BuiltinError::BadOption {
        kind: RecordsHook::KIND,
        option,
        why: why.into(),
    }
}

impl BuiltinHook for RecordsHook {
    const KIND: &'static str = "records";
    const REPLAY: Replay = Replay::Watches;

    fn needs(&self) -> Needs {
        let aside = (1..=self.keep.min(MOST_KEPT)).map(|number| files::aside(&self.path, number));
        aside.fold(Needs::nothing().write(&self.path), Needs::write)
    }

    fn prepare(self, at: &Placement) -> Result<Vec<PreparedHook>, BuiltinError> {
        self.check()?;
        let files = Files::open(&self.path, self.max_file_bytes, self.keep);
        let files = files.map_err(|error| {
            bad(
                "path",
                format!("cannot write {}: {error}", self.path.display()),
            )
        })?;
        let when_full = match self.when_full {
            Full::Drop => WhenFull::Drop,
            Full::Wait => WhenFull::Wait,
        };
        let batches = BatchedHookExecutor::builder()
            .max_age(Duration::from_millis(self.max_age_ms))
            .capacity(self.capacity)
            .when_full(when_full)
            // One file has one writer.
            .threads(1);
        let redacts = RedactionHook::new().redactor()?;
        let files = Arc::new(files);
        let to = files.clone();
        let batches = batches.start(
            |record: &DecisionRecord<'_>| record.to_owned(),
            move |_point, records| to.append(records.iter().map(|record| line(record, &redacts))),
        );
        let batches = batches.map_err(|error| bad("path", format!("has no thread: {error}")))?;
        let meta = at.only(Priority::LOW).record_args(self.args);
        let meta = meta.describe("writes records of calls to a file");
        let only = self.only;
        // With the hook goes the executor, which writes what still waits; a required hook stays.
        let batches = Arc::new(batches);
        let flushes = batches.clone();
        let hook = PreparedHook::observe(meta, move |record| {
            let wanted = only.is_empty() || only.contains(&record.outcome());
            if wanted && !batches.offer(record) {
                files.lose();
            }
        });
        Ok(vec![
            hook.flushed_by(move |timeout| flushes.settle(timeout)),
        ])
    }
}

/// A record as a line, its reasons and facts redacted.
fn line(record: &DecisionRecord<'_>, redacts: &Redacts) -> String {
    let mut json = record.to_json();
    let said = json["hooks"].as_array_mut().into_iter().flatten();
    said.for_each(|said| redacts.reason(said));
    redacts.reason(&mut json["refusal"]);
    redacts.value("fields", &mut json["fields"]);
    format!("{json}\n")
}

impl Redacts {
    /// Redacts `reason` of an object, if there is one.
    fn reason(&self, of: &mut Value) {
        if let Some(reason) = of.get_mut("reason") {
            self.value("reason", reason);
        }
    }
}
