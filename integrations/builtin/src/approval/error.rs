//! Why there is no approval.

use std::io;
use std::path::Path;

use crate::error::BuiltinError;

/// Why there is no approval, or no decision about one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// The folder, or a file in it, cannot be used.
    #[error("the folder of approvals {path}: {why}")]
    Folder {
        /// The folder or file.
        path: Box<str>,
        /// What is wrong.
        why: Box<str>,
    },
    /// There is no request of that token.
    #[error("there is no request {token}; `hookpoint approvals list` shows those that there are")]
    Unknown {
        /// What was asked for.
        token: Box<str>,
    },
    /// It cannot be decided so any more.
    #[error("the request {token} {why}")]
    Decided {
        /// The token.
        token: Box<str>,
        /// What became of it.
        why: &'static str,
    },
    /// Too many requests wait.
    #[error("{max} requests wait for a decision already: decide some of them first")]
    Full {
        /// How many there may be.
        max: usize,
    },
    /// Nobody can be asked at the terminal.
    #[error("{why}")]
    Terminal {
        /// Why not.
        why: Box<str>,
    },
    /// An option has a value that it cannot have.
    #[error(transparent)]
    Option(#[from] BuiltinError),
}

/// What is wrong with a folder or file.
pub(super) fn at(path: &Path, error: &io::Error) -> ApprovalError {
    ApprovalError::Folder {
        path: path.display().to_string().into(),
        why: error.to_string().into(),
    }
}
