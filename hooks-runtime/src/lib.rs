//! hooks-runtime
