//! The registry of tools and the stages of a call.

mod builder;
mod registered;
mod stages;
mod table;

pub use builder::ToolRegistryBuilder;
pub use registered::RegisteredTool;
pub use table::ToolRegistry;
