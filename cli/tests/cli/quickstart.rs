//! The first whole run, as the README shows it.
