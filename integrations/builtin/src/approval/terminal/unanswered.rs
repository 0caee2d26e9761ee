//! Why nobody said yes or no.

/// Why there is no answer; every one refuses the call.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(unix), allow(dead_code, reason = "there are no terminals"))]
pub(super) enum Unanswered {
    #[error("there is no terminal to ask at")]
    NoTerminal,
    #[error("the terminal is in the foreground of another program, and cannot be asked at")]
    Background,
    #[error("another program reads the terminal key by key, and it cannot be asked at")]
    NoLines,
    #[error("the input of the terminal ended without an answer")]
    Ended,
    #[error("the terminal hung up")]
    HungUp,
    #[error("what was typed at the terminal is no answer: it is too long")]
    TooLong,
    #[error("nobody waits for the answer any more")]
    TakenBack,
    #[error("the terminal cannot be used: {0}")]
    Failed(#[from] std::io::Error),
}
