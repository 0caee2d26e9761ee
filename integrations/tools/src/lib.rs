//! hooks-tools
