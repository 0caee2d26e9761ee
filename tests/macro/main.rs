//! What `#[hooked]` does to a function: nothing while nobody listens, and everything a hook needs else.

mod behaviour;
mod blocks;
mod boxed_traits;
mod budget;
mod cancellation;
mod catalogue;
mod compiles;
mod conditions;
mod flow;
mod futures;
mod hooks;
mod keys;
mod lifetimes;
mod limits;
mod matrix;
mod panics;
mod parameters;
mod shapes;
mod spy;
mod stacking;
mod streams;
mod surroundings;
mod typed;
