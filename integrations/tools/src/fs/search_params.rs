//! What a search is asked, and what it makes of it.

use std::path::Path;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use ignore::overrides::{Override, OverrideBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file_search::NAME;
use crate::ToolError;

/// Parameters of `file_search`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSearchParams {
    /// What to look for in each line: a regular expression, or plain text with `literal`.
    #[schemars(length(min = 1))]
    pub pattern: String,
    /// Take the pattern as plain text.
    #[serde(default)]
    pub literal: bool,
    /// Ignore the difference between upper and lower case.
    #[serde(default)]
    pub ignore_case: bool,
    /// The directory to search, beneath the root directory; all of it if left out.
    #[serde(default)]
    pub path: Option<String>,
    /// Which files, as in `.gitignore`: `*.rs`, `src/**`; a leading `!` leaves files out. All if left out.
    #[serde(default)]
    pub globs: Vec<String>,
    /// Lines of context before and after each match, 0 to 20.
    #[serde(default)]
    #[schemars(range(max = 20))]
    pub context_lines: u8,
    /// The most matches to return; the tool's maximum if left out.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_results: Option<usize>,
    /// Search hidden files too.
    #[serde(default)]
    pub hidden: bool,
}

/// The compiled pattern.
pub(super) fn matcher(params: &FileSearchParams) -> Result<RegexMatcher, ToolError> {
    if params.pattern.is_empty() {
        return Err(ToolError::parameters(
            NAME,
            "`pattern` is empty; write what to look for",
        ));
    }
    if params.context_lines > 20 {
        return Err(ToolError::parameters(
            NAME,
            "`context_lines` is more than 20",
        ));
    }
    RegexMatcherBuilder::new()
        .fixed_strings(params.literal)
        .case_insensitive(params.ignore_case)
        .line_terminator(Some(b'\n'))
        .build(&params.pattern)
        .map_err(|error| {
            let hint = "set `literal` to look for it as plain text";
            ToolError::parameters(
                NAME,
                format!("`pattern` is not a regular expression: {error}; {hint}"),
            )
        })
}

/// The compiled globs, relative to `start`.
pub(super) fn globs(start: &Path, globs: &[String]) -> Result<Override, ToolError> {
    let invalid = |glob: &str, error: ignore::Error| {
        ToolError::parameters(
            NAME,
            format!("`globs`: `{glob}` is not a glob: {error}; write for example `*.rs`"),
        )
    };
    let mut builder = OverrideBuilder::new(start);
    for glob in globs {
        builder.add(glob).map_err(|error| invalid(glob, error))?;
    }
    builder
        .build()
        .map_err(|error| invalid(&globs.join(", "), error))
}
