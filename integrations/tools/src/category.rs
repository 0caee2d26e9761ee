//! What a tool is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The family a tool belongs to; also the folder in which the tool's source lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ToolCategory {
    /// Pure computation: text, numbers, encodings.
    Util,
    /// Structured data.
    Data,
    /// Files beneath a root directory.
    Fs,
    /// The machine: processes, environment, services.
    System,
    /// Images, sound, video.
    Media,
    /// Programming interfaces over HTTP.
    Api,
    /// Web pages.
    Web,
    /// Search engines.
    Search,
    /// Mail and databases.
    Communication,
}

impl ToolCategory {
    /// The lower-case word for this category.
    pub fn as_str(self) -> &'static str {
        match self {
            ToolCategory::Util => "util",
            ToolCategory::Data => "data",
            ToolCategory::Fs => "fs",
            ToolCategory::System => "system",
            ToolCategory::Media => "media",
            ToolCategory::Api => "api",
            ToolCategory::Web => "web",
            ToolCategory::Search => "search",
            ToolCategory::Communication => "communication",
        }
    }
}

impl fmt::Display for ToolCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
