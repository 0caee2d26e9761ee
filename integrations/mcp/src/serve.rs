//! Tools as an MCP server, on `rmcp`.
//!
//! Each call goes through the registry of tools, and so through the points `tool.discover` to `tool.release`. A
//! refused or failed call is a result whose `isError` is true, with the reason as text.

use std::sync::Arc;

use hooks_tools::{SecurityLevel, ToolInfo, ToolRegistry};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

/// An MCP server whose tools are those of a registry.
#[derive(Clone, Debug)]
pub struct ToolServer {
    tools: Arc<ToolRegistry>,
}

/// Why a server has ended before its client left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The client did not begin as MCP has it.
    #[error("the session did not begin: {0}")]
    Begin(String),
    /// The server's task failed.
    #[error("the server failed: {0}")]
    Failed(String),
}

impl ToolServer {
    /// A server of these tools.
    pub fn new(tools: Arc<ToolRegistry>) -> Self {
        ToolServer { tools }
    }

    /// Serves one client, until it leaves.
    ///
    /// # Errors
    /// The client does not begin as MCP has it.
    pub async fn serve_lines(
        self,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), ServeError> {
        let running = self.serve((reader, writer)).await;
        let running = running.map_err(|error| ServeError::Begin(error.to_string()))?;
        match running.waiting().await {
            Ok(_) => Ok(()),
            Err(error) => Err(ServeError::Failed(error.to_string())),
        }
    }

    /// Serves the client that has started this program.
    ///
    /// # Errors
    /// As [`ToolServer::serve_lines`].
    pub async fn serve_stdio(self) -> Result<(), ServeError> {
        self.serve_lines(tokio::io::stdin(), tokio::io::stdout())
            .await
    }
}

/// A tool as MCP describes it.
fn described(info: ToolInfo) -> Tool {
    let schema = match info.parameters {
        Value::Object(schema) => schema,
        // A schema that is `true` or `false` is none that MCP knows; this one says that it is an object.
        _ => serde_json::Map::from_iter([("type".to_owned(), Value::from("object"))]),
    };
    let mut tool = Tool::new(info.name, info.description, Arc::new(schema));
    if info.security_level == SecurityLevel::Safe {
        tool.annotations = Some(ToolAnnotations::new().read_only(true).open_world(false));
    }
    tool
}

impl ServerHandler for ToolServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let name = Implementation::new("hookpoint", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.tools.list().into_iter().map(described).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let result = match self.tools.call(&request.name, arguments).await {
            Ok(output) => {
                // Structured content is an object in most revisions; everybody can read text.
                let text = vec![ContentBlock::text(output.value.to_string())];
                let mut result = CallToolResult::success(text);
                result.structured_content = Some(output.value).filter(Value::is_object);
                result
            }
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
        };
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tool = self.tools.list().into_iter().find(|tool| tool.name == name);
        tool.map(described)
    }
}
