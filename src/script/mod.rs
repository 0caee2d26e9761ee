//! What scripts reach of the instrumented crates: the globals `Tool`, `Agent` and `Workflow`.

mod agents;
mod tools;
mod workflows;

use std::io;
use std::path::Path;

use hooks_lua::{LuaEngine, LuaEngineBuilder};

pub use agents::Agents;
pub use tools::Tools;
pub use workflows::Workflows;

/// An engine whose scripts have all tools, agents and workflows; tools that read files are confined to `root`.
///
/// # Errors
/// `root` cannot be opened.
pub fn engine(root: impl AsRef<Path>) -> io::Result<LuaEngineBuilder> {
    let tools = Tools::confined_to(root)?;
    let registry = tools.0.clone();
    Ok(crate::system::with_conditions(LuaEngine::builder())
        .agents(Agents(registry.clone()))
        .workflows(Workflows(registry))
        .tools(tools))
}
