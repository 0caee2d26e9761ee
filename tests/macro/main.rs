//! What `#[hooked]` does to a function: nothing while nobody listens, and everything a hook needs else.

mod behaviour;
mod blocks;
mod budget;
mod compiles;
mod hooks;
mod keys;
mod matrix;
mod shapes;
mod spy;
mod surroundings;
mod typed;
mod ui;
