//! The errors of this crate.

use hooks_runtime::HookError;

/// Why a built-in hook is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuiltinError {
    /// An option has a value that it cannot have, or does not go with another one.
    #[error("{kind}: `{option}` {why}")]
    BadOption {
        /// The kind of the hook.
        kind: &'static str,
        /// The option.
        option: &'static str,
        /// What is wrong, and what to write instead.
        why: Box<str>,
    },
    /// The options of a configuration cannot be read.
    #[error("{kind}: {why}")]
    BadOptions {
        /// The kind of the hook.
        kind: &'static str,
        /// What is wrong.
        why: Box<str>,
    },
    /// A CEL expression that cannot be used.
    #[error("{place}: the expression `{expression}`, line {line}, column {column}: {why}")]
    Expression {
        /// The rule or the entry that it belongs to.
        place: Box<str>,
        /// The expression, its beginning if it is long.
        expression: Box<str>,
        /// The line in it, from 1.
        line: usize,
        /// The column in that line, in characters from 1.
        column: usize,
        /// What is wrong.
        why: Box<str>,
    },
    /// A kind that there is not.
    #[error("there is no built-in hook `{kind}`{hint} (there are: {known})")]
    UnknownKind {
        /// What was written.
        kind: Box<str>,
        /// What was probably meant.
        hint: Box<str>,
        /// All of them.
        known: Box<str>,
    },
    /// An audit trail that cannot be read or written, or is not as it was written.
    #[error("the audit trail {path}{}: {why}", if *line > 0 { format!(", line {line}") } else { String::new() })]
    Trail {
        /// The file.
        path: Box<str>,
        /// The line, from 1; 0: none of them.
        line: u64,
        /// What is wrong.
        why: Box<str>,
    },
    /// What calls were about that cannot be written into a file.
    #[error("the dump {path}: {why}")]
    Dump {
        /// The file or folder.
        path: Box<str>,
        /// What is wrong.
        why: Box<str>,
    },
    /// The registry refused it.
    #[error(transparent)]
    Hook(#[from] HookError),
}

impl From<BuiltinError> for HookError {
    fn from(error: BuiltinError) -> Self {
        match error {
            BuiltinError::Hook(error) => error,
            other => HookError::Configuration {
                what: "a built-in hook".into(),
                cause: other.to_string().into(),
            },
        }
    }
}
