//! `file_search`: lines that match a pattern, in the files beneath a root directory.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};
use hooks_runtime::hooked;
use ignore::WalkBuilder;
use serde_json::Value;

use super::Root;
use super::search_params::{FileSearchParams, globs, matcher};
use super::search_sink::{FileSearchOutput, MatchSink, SkippedFile};
use crate::blocking::BoundedReader;
use crate::{
    CancelFlag, SecurityLevel, Tool, ToolCategory, ToolError, ToolOutput, read_params,
    run_blocking, schema_of,
};

pub(super) const NAME: &str = "file_search";

/// Searches text files. Honours `.gitignore` and `.ignore`, follows no links, leaves binary files out.
#[derive(Clone, Debug)]
pub struct FileSearch {
    root: Arc<Root>,
    max_results: usize,
    max_file_bytes: u64,
    max_line_bytes: usize,
    max_depth: usize,
}

impl FileSearch {
    /// Searches beneath `root`: at most 1,000 matches, files of up to 10 MiB, 64 directories deep; lines are
    /// cut after 500 bytes.
    pub fn beneath(root: Arc<Root>) -> Self {
        FileSearch {
            root,
            max_results: 1_000,
            max_file_bytes: 10 << 20,
            max_line_bytes: 500,
            max_depth: 64,
        }
    }
    /// The most matches that a call may ask for.
    #[must_use]
    pub fn max_results(mut self, matches: usize) -> Self {
        self.max_results = matches.max(1);
        self
    }
    /// The largest file that is searched, in bytes.
    #[must_use]
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes;
        self
    }
    /// Where lines are cut, in bytes.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.max_line_bytes = bytes;
        self
    }
    /// How deep into directories the search goes.
    #[must_use]
    pub fn max_depth(mut self, directories: usize) -> Self {
        self.max_depth = directories;
        self
    }

    fn wanted(&self, params: &FileSearchParams) -> Result<usize, ToolError> {
        let problem = match params.max_results {
            None => return Ok(self.max_results),
            Some(0) => "`max_results` is 0; write at least 1".to_owned(),
            Some(n) if n > self.max_results => {
                format!(
                    "`max_results` is {n}; this tool returns at most {}",
                    self.max_results
                )
            }
            Some(n) => return Ok(n),
        };
        Err(ToolError::parameters(NAME, problem))
    }

    fn search(
        &self,
        params: &FileSearchParams,
        flag: &CancelFlag,
    ) -> Result<FileSearchOutput, ToolError> {
        let wanted = self.wanted(params)?;
        let matcher = matcher(params)?;
        let start = self
            .root
            .directory(NAME, params.path.as_deref().unwrap_or("."))?;
        let context = usize::from(params.context_lines);
        let mut searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::quit(0))
            .before_context(context)
            .after_context(context)
            .build();
        let walk = WalkBuilder::new(&start)
            .hidden(!params.hidden)
            .overrides(globs(&start, &params.globs)?)
            .follow_links(false)
            // Ignore files above the root are none of this tool's business; those within count without git too.
            .parents(false)
            .git_global(false)
            .require_git(false)
            .max_depth(Some(self.max_depth))
            .sort_by_file_path(Ord::cmp)
            .build();
        let mut output = FileSearchOutput::default();
        for entry in walk {
            if flag.is_cancelled() {
                return Err(ToolError::failed(NAME, "the search was cancelled"));
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let reason = format!("can't be read: {error}");
                    output.skipped.push(SkippedFile {
                        path: String::new(),
                        reason,
                    });
                    continue;
                }
            };
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let path = self.shown(entry.path());
            let mut sink = MatchSink {
                matcher: &matcher,
                path: &path,
                context,
                max_line_bytes: self.max_line_bytes,
                wanted: wanted - output.matches.len(),
                found: Vec::new(),
                recent: VecDeque::new(),
                overflow: false,
                binary: false,
            };
            let reason = self.search_file(&mut searcher, &mut sink, flag);
            let (found, overflow) = (sink.found, sink.overflow);
            output.matches.extend(found);
            match reason {
                None => output.files_searched += 1,
                Some(reason) => output.skipped.push(SkippedFile { path, reason }),
            }
            if overflow {
                output.truncated = true;
                break;
            }
        }
        Ok(output)
    }

    /// Searches one file; the reason if it was left out.
    fn search_file(
        &self,
        searcher: &mut Searcher,
        sink: &mut MatchSink<'_>,
        flag: &CancelFlag,
    ) -> Option<String> {
        let file = match self.root.open_file(NAME, sink.path) {
            Ok(file) => file,
            Err(error) => return Some(error.to_string()),
        };
        let limit = self.max_file_bytes;
        if file.metadata().is_ok_and(|metadata| metadata.len() > limit) {
            return Some(format!("larger than the limit of {limit} bytes"));
        }
        let result = searcher.search_reader(
            sink.matcher,
            BoundedReader::new(file, limit, flag.clone()),
            &mut *sink,
        );
        match result {
            Ok(()) if sink.binary => Some("binary".to_owned()),
            Ok(()) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// `path` relative to the root, with `/`.
    fn shown(&self, path: &Path) -> String {
        let relative = path.strip_prefix(self.root.path()).unwrap_or(path);
        relative
            .components()
            .map(|c| c.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/")
    }
}

#[async_trait]
impl Tool for FileSearch {
    fn name(&self) -> &str {
        NAME
    }
    fn description(&self) -> &str {
        "Finds lines by regular expression or plain text in the files beneath a directory"
    }
    fn category(&self) -> ToolCategory {
        ToolCategory::Fs
    }
    fn security_level(&self) -> SecurityLevel {
        SecurityLevel::Restricted
    }
    fn parameters(&self) -> Value {
        schema_of::<FileSearchParams>()
    }

    #[hooked(point = "tool.execute", component = self.name(), retry)]
    async fn execute(&self, params: Value) -> Result<ToolOutput, ToolError> {
        let params: FileSearchParams = read_params(NAME, params)?;
        let tool = self.clone();
        let output = run_blocking(NAME, move |flag| tool.search(&params, flag)).await?;
        ToolOutput::new(NAME, &output)
    }
}
