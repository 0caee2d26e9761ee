//! The lifecycle and the tool loop, without hooks.

mod fixture;
mod lifecycle;
mod run;
mod scripted_model;
