//! All `unsafe` code of the crate: three things that Luau offers and mlua has no safe form of.
//!
//! - [`interrupt`]: the interrupt of a state, set from the watchdog's thread, and only while it is wanted. mlua's own
//!   is always set, which makes a hot loop twenty times slower.
//! - [`stage`]: the call under way, lent to the functions of its state for the time of the call.
//! - [`stack`]: plain values that go to and from Luau's stack as they are. mlua's `Value` and its callbacks, which
//!   are made for every kind of value, cost several times as much.
//!
//! Each file begins with the argument why it is sound.

mod interrupt;
mod stack;
mod stage;

pub(crate) use interrupt::{Interrupt, Switch};
pub(crate) use stack::{Access, Args, Returned, accessor};
pub(crate) use stage::Stage;
