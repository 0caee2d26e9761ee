//! The protocol's own library at both ends: its client, a gateway that listens, and its server at a URL.

use std::sync::Arc;

use hooks_mcp::side::http::{HttpListenerOptions, HttpServer, HttpServerOptions};
use hooks_mcp::{GatewayOptions, Limits};
use hooks_runtime::Vote;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientConfig, ContentBlock,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ClientHandler, ErrorData, RoleClient, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Map, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;

use crate::kit::{Listening, soon};

#[derive(Clone)]
struct Steps;

impl ServerHandler for Steps {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = |name| {
            Tool::new(
                name,
                "A tool",
                Arc::new(Map::from_iter([("type".to_owned(), json!("object"))])),
            )
        };
        Ok(ListToolsResult::with_all_items(vec![
            tool("steps"),
            tool("shell"),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(token) = context.meta.get_progress_token() {
            for step in 1..=5 {
                let progress = ProgressNotificationParam::new(token.clone(), f64::from(step));
                let told = context.peer.notify_progress(progress).await;
                told.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            }
        }
        Ok(CallToolResult::success(vec![ContentBlock::text(request.name)]).into())
    }
}

struct Watcher(mpsc::UnboundedSender<f64>);

impl ClientHandler for Watcher {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::default()
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.send(progress.progress).expect("the test listens");
    }
}

/// `rmcp`'s server; its URL.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let service = StreamableHttpService::new(
        || Ok(Steps),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_and_server_talk_over_http_and_hooks_decide() {
    let limits = Limits::default();
    let remote = HttpServer::new(&server().await, HttpServerOptions::default(), &limits).unwrap();
    let guard = |registry: &hooks_runtime::HookRegistry| {
        let guard = registry.guard("no-shell", "tool.discover", |cx| {
            Ok(Vote::cancel_if(
                cx.component() == Some("shell"),
                "no shell here",
            ))
        });
        guard.unwrap().forget();
    };
    let options = HttpListenerOptions::default();
    let near = Listening::start(options, GatewayOptions::default(), guard, move || {
        Ok(remote.side())
    })
    .await;

    // The client of HTTP that `rmcp` has without another library speaks through sockets of Unix.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let (unix, address) = (UnixListener::bind(&socket).unwrap(), near.address);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = unix.accept().await {
            tokio::spawn(async move {
                let mut to = TcpStream::connect(address).await.expect("it listens");
                // Either end may be gone first.
                if let Err(error) = copy_bidirectional(&mut from, &mut to).await {
                    eprintln!("a connection broke off: {error}");
                }
            });
        }
    });
    let uri = format!("http://{address}/mcp");
    let transport = StreamableHttpClientTransport::from_unix_socket(socket.to_str().unwrap(), uri);
    let (sender, mut steps) = mpsc::unbounded_channel();
    let client = soon(Watcher(sender).serve(transport))
        .await
        .expect("a session");
    let tools = soon(client.list_all_tools()).await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["steps"]);
    let answer = soon(client.call_tool(CallToolRequestParams::new("steps")))
        .await
        .unwrap();
    assert_eq!(json!(answer)["content"][0]["text"], "steps");
    for step in 1..=5 {
        assert_eq!(soon(steps.recv()).await, Some(f64::from(step)));
    }
    let refused = soon(client.call_tool(CallToolRequestParams::new("shell")))
        .await
        .unwrap();
    assert!(
        json!(refused).to_string().contains("no shell here"),
        "{refused:?}"
    );
    soon(client.cancel()).await.unwrap();
    near.stop().await;
}
