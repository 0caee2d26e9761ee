//! `Tool`

use std::io;
use std::path::Path;
use std::sync::Arc;

use hooks_lua::host::{BoxFuture, HostError, ToolHost};
use hooks_tools::fs::{FileSearch, Root};
use hooks_tools::util::{Calculator, HashCalculator};
use hooks_tools::{ToolError, ToolRegistry};
use serde_json::Value;

/// The tools of a registry.
pub struct Tools(pub Arc<ToolRegistry>);

impl Tools {
    /// All tools, those that read files confined to `root`.
    ///
    /// # Errors
    /// `root` cannot be opened.
    pub fn confined_to(root: impl AsRef<Path>) -> io::Result<Tools> {
        let root = Arc::new(Root::open(root)?);
        let tools = ToolRegistry::new();
        let registered = [
            tools.register(Calculator::new()),
            tools.register(HashCalculator::beneath(root.clone())),
            tools.register(FileSearch::beneath(root)),
        ];
        registered
            .into_iter()
            .collect::<Result<(), ToolError>>()
            .map_err(io::Error::other)?;
        Ok(Tools(Arc::new(tools)))
    }
}

impl ToolHost for Tools {
    fn list(&self) -> Vec<Value> {
        self.0
            .list()
            .iter()
            .filter_map(|info| serde_json::to_value(info).ok())
            .collect()
    }

    fn get(&self, name: &str) -> Result<Value, HostError> {
        Ok(serde_json::to_value(self.0.get(name)?.info())?)
    }

    fn call<'a>(&'a self, name: &'a str, params: Value) -> BoxFuture<'a, Result<Value, HostError>> {
        Box::pin(async move { Ok(self.0.call(name, params).await?.value) })
    }
}
