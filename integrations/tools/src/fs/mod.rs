//! Tools that read files beneath a root directory.

mod file_search;
mod root;
mod search_sink;

pub use file_search::{FileSearch, FileSearchOutput, FileSearchParams, SkippedFile};
pub use root::Root;
pub use search_sink::SearchMatch;
