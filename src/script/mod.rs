//! What scripts reach of the other crates: the globals `Tool`, `Agent`, `Workflow` and `Builtin`.

#[cfg(feature = "workflows")]
mod agents;
#[cfg(feature = "builtin")]
mod builtins;
#[cfg(feature = "workflows")]
mod tools;
#[cfg(feature = "workflows")]
mod workflows;

#[cfg(feature = "workflows")]
use std::io;
#[cfg(feature = "workflows")]
use std::path::Path;

#[cfg(feature = "workflows")]
use hooks_lua::{LuaEngine, LuaEngineBuilder};

#[cfg(feature = "workflows")]
pub use agents::Agents;
#[cfg(feature = "builtin")]
pub use builtins::Builtins;
#[cfg(feature = "workflows")]
pub use tools::Tools;
#[cfg(feature = "workflows")]
pub use workflows::Workflows;

/// An engine whose scripts have all tools, agents and workflows, and built-in hooks with the feature `builtin`; tools that read files are confined to `root`.
///
/// # Errors
/// `root` cannot be opened.
#[cfg(feature = "workflows")]
pub fn engine(root: impl AsRef<Path>) -> io::Result<LuaEngineBuilder> {
    let tools = Tools::confined_to(root)?;
    let registry = tools.0.clone();
    Ok(
        crate::system::with_builtins(LuaEngine::builder(), &crate::system::FileCheck::default())
            .agents(Agents(registry.clone()))
            .workflows(Workflows(registry))
            .tools(tools),
    )
}
