//! What scripts reach of the instrumented crates: the globals `Tool`, `Agent` and `Workflow`.

mod agents;
mod tools;
mod workflows;

pub use agents::Agents;
pub use tools::Tools;
pub use workflows::Workflows;
