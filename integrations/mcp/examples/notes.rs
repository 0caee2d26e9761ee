//! A small MCP server on `rmcp`: notes in memory, and what a server can do besides answering. For tests, and for
//! trying the gateway out.
//!
//! ```sh
//! hookpoint mcp --policy examples/mcp/read_only.lua --allow-writable-policy -- target/debug/examples/notes
//! ```

#![expect(deprecated, reason = "clients of earlier revisions have models to ask")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
    CreateMessageRequestParams, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam,
    SamplingMessage, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Value, json};

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<BTreeMap<String, String>>>);

/// Name, what it does, parameters, whether it only reads.
const TOOLS: &[(&str, &str, &[&str], bool)] = &[
    ("read_note", "Reads a note", &["path"], true),
    ("list_notes", "Lists the notes", &[], true),
    ("write_note", "Writes a note", &["path", "text"], false),
    ("delete_note", "Deletes a note", &["path"], false),
    ("count", "Counts, and tells how far it is", &[], true),
    ("think", "Asks the client's model", &["question"], true),
    ("wait", "Waits until it is cancelled", &[], true),
    ("crash", "Ends the server's process", &[], false),
];

fn described(tool: &(&'static str, &'static str, &[&str], bool)) -> Tool {
    let (name, what, parameters, reads) = tool;
    let text = |name: &&str| ((*name).to_owned(), json!({ "type": "string" }));
    let properties: serde_json::Map<String, Value> = parameters.iter().map(text).collect();
    let schema = json!({ "type": "object", "properties": properties, "required": parameters });
    let schema = schema.as_object().cloned().unwrap_or_default();
    let mut tool = Tool::new(*name, *what, Arc::new(schema));
    tool.annotations = Some(ToolAnnotations::new().read_only(*reads));
    tool
}

impl Notes {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn failed(why: impl Into<String>) -> ErrorData {
    ErrorData::internal_error(why.into(), None)
}

async fn think(question: &str, context: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
    let ask = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(question)], 100);
    let answer = context.peer.create_message(ask).await;
    let answer = answer.map_err(|error| failed(error.to_string()))?;
    serde_json::to_string(&answer).map_err(|error| failed(error.to_string()))
}

async fn count(context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let Some(token) = context.meta.get_progress_token() else {
        return Ok(());
    };
    for step in 1..=10 {
        let progress = ProgressNotificationParam::new(token.clone(), f64::from(step));
        let told = context
            .peer
            .notify_progress(progress.with_total(10.0))
            .await;
        told.map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(
            TOOLS.iter().map(described).collect(),
        ))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = |name: &str| {
            let text = arguments
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned);
            text.ok_or_else(|| {
                ErrorData::invalid_params(format!("`{name}` must be a string"), None)
            })
        };
        let said = match &*request.name {
            "read_note" => {
                let path = text("path")?;
                match self.with(|notes| notes.get(&path).cloned()) {
                    Some(note) => note,
                    None => {
                        let why = format!("there is no note {path}");
                        return Ok(CallToolResult::error(vec![ContentBlock::text(why)]).into());
                    }
                }
            }
            "list_notes" => self.with(|notes| notes.keys().cloned().collect::<Vec<_>>().join("\n")),
            "write_note" => {
                let (path, text) = (text("path")?, text("text")?);
                self.with(|notes| notes.insert(path, text));
                "written".to_owned()
            }
            "delete_note" => {
                let path = text("path")?;
                self.with(|notes| notes.remove(&path));
                "deleted".to_owned()
            }
            "count" => {
                count(&context).await?;
                "counted".to_owned()
            }
            "think" => think(&text("question")?, &context).await?,
            "wait" => {
                context.ct.cancelled().await;
                "cancelled".to_owned()
            }
            "crash" => std::process::exit(7),
            other => return Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let served = Notes::default().serve(rmcp::transport::stdio()).await?;
    served.waiting().await?;
    Ok(())
}
