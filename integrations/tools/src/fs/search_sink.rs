//! What a search gives: matches, collected with their context lines.

use std::collections::VecDeque;
use std::io;

use grep_matcher::Matcher;
use grep_regex::RegexMatcher;
use grep_searcher::{Searcher, Sink, SinkContext, SinkContextKind, SinkMatch};
use serde::{Deserialize, Serialize};

/// Output of `file_search`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSearchOutput {
    /// The matches, by file name and line.
    pub matches: Vec<SearchMatch>,
    /// How many files were read.
    pub files_searched: u64,
    /// Whether there were more matches than returned.
    pub truncated: bool,
    /// Files that were not searched to their end, and why.
    pub skipped: Vec<SkippedFile>,
}

/// A file that was not searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedFile {
    /// The file, relative to the root directory.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// One matching line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchMatch {
    /// The file, relative to the root directory, with `/` between the parts.
    pub path: String,
    /// Line number, from 1.
    pub line: u64,
    /// Column of the first match in the line, in bytes from 1.
    pub column: u64,
    /// The line, without its end; cut after the tool's `max_line_bytes`.
    pub text: String,
    /// Lines before it, as many as were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Lines after it, as many as were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// Collects the matches of one file.
///
/// The searcher hands on each line once, as match or as context; lines that are context of several matches are
/// given to each of them here.
pub(super) struct MatchSink<'a> {
    pub(super) matcher: &'a RegexMatcher,
    pub(super) path: &'a str,
    pub(super) context: usize,
    pub(super) max_line_bytes: usize,
    /// How many more matches are wanted.
    pub(super) wanted: usize,
    pub(super) found: Vec<SearchMatch>,
    /// The last lines seen, at most `context` of them.
    pub(super) recent: VecDeque<String>,
    /// More matches were there than wanted.
    pub(super) overflow: bool,
    /// The file has a NUL byte: it is not text.
    pub(super) binary: bool,
}

impl MatchSink<'_> {
    fn line(&self, bytes: &[u8]) -> String {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        if text.len() > self.max_line_bytes {
            text.truncate(text.floor_char_boundary(self.max_line_bytes));
            text.push('…');
        }
        text
    }

    /// `line` follows those seen so far.
    fn passed(&mut self, line: String, number: u64) {
        for earlier in self.found.iter_mut().rev() {
            if number - earlier.line > self.context as u64 {
                break;
            }
            earlier.after.push(line.clone());
        }
        self.recent.push_back(line);
        if self.recent.len() > self.context {
            self.recent.pop_front();
        }
    }
}

impl Sink for MatchSink<'_> {
    type Error = io::Error;

    fn matched(&mut self, _searcher: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        if self.found.len() == self.wanted {
            self.overflow = true;
            return Ok(false);
        }
        let number = found.line_number().unwrap_or(0);
        let first = self.matcher.find(found.bytes()).map_err(io::Error::other)?;
        let text = self.line(found.bytes());
        let before: Vec<String> = self.recent.iter().cloned().collect();
        self.passed(text.clone(), number);
        self.found.push(SearchMatch {
            path: self.path.to_owned(),
            line: number,
            column: first.map_or(1, |m| m.start() as u64 + 1),
            text,
            before,
            after: Vec::new(),
        });
        Ok(true)
    }

    fn context(&mut self, _searcher: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        // Context that ends a match of interest comes before the match that is one too many.
        if *context.kind() != SinkContextKind::Other {
            self.passed(
                self.line(context.bytes()),
                context.line_number().unwrap_or(0),
            );
        }
        Ok(true)
    }

    fn context_break(&mut self, _searcher: &Searcher) -> io::Result<bool> {
        self.recent.clear();
        Ok(true)
    }

    fn binary_data(&mut self, _searcher: &Searcher, _offset: u64) -> io::Result<bool> {
        self.binary = true;
        Ok(false)
    }
}
