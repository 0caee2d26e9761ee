//! JSON as it goes through: checked, and kept as it was written.

mod check;
mod fold;
mod merge;
mod skim;
mod text;

pub use check::JsonError;
pub(crate) use fold::{is_ambiguous, like};
pub(crate) use skim::Skim;
pub use text::JsonText;
