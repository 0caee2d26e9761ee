//! Tools that read files beneath a root directory.

mod file_search;
mod root;
mod search_params;
mod search_sink;

pub use file_search::FileSearch;
pub use root::Root;
pub use search_params::FileSearchParams;
pub use search_sink::{FileSearchOutput, SearchMatch, SkippedFile};
