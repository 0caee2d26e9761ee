//! hooks-workflows
