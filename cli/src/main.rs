//! The `hookpoint` command.
fn main() {}
