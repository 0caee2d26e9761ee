//! hooks-agents
