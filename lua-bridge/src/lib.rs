//! hooks-lua
