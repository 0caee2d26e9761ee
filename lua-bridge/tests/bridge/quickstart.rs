//! `examples/lua/quickstart.lua` on the repository's own files.
