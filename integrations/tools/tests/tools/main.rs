//! The tools and the registry, without hooks.

mod calculator;
mod file_search;
mod hash_calculator;
mod registry;
