//! The protocol as its own library has it, on both sides of the gateway, over real processes and pipes.

#![expect(
    deprecated,
    reason = "sampling is what servers of earlier revisions ask for"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use hooks_mcp::side::{Grace, ServerProcess};
use hooks_mcp::{Ended, Gateway, GatewayOptions, Limits, Party, Side};
use hooks_runtime::{HookRegistry, HookScope, Vote};
use rmcp::model::{
    CallToolRequestParams, ClientConfig, ClientJsonRpcMessage, CreateMessageRequestParams,
    CreateMessageResult, ProgressNotificationParam, SamplingMessage, ServerJsonRpcMessage,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::{ClientHandler, ErrorData, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio::io::{duplex, split};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::kit::NEVER;

/// All methods that a schema names.
fn methods(schema: &Value, into: &mut BTreeSet<String>) {
    if let Some(method) = schema
        .pointer("/properties/method/const")
        .or(schema.pointer("/properties/method/enum/0"))
    {
        into.insert(method.as_str().expect("a name").to_owned());
    }
    // `const` types of rmcp are definitions of their own.
    if let Some(Value::String(name)) = schema.get("const").filter(|_| schema["type"] == "string") {
        into.insert(name.clone());
    }
    match schema {
        Value::Object(members) => members.values().for_each(|inner| methods(inner, into)),
        Value::Array(items) => items.iter().for_each(|inner| methods(inner, into)),
        _ => {}
    }
}

#[test]
fn every_method_of_the_protocol_s_schema_is_known() {
    for (party, schema) in [
        (
            Party::Client,
            rmcp::schemars::schema_for!(ClientJsonRpcMessage),
        ),
        (
            Party::Server,
            rmcp::schemars::schema_for!(ServerJsonRpcMessage),
        ),
    ] {
        let mut found = BTreeSet::new();
        methods(schema.as_value(), &mut found);
        let is_method =
            |name: &&String| name.contains('/') || *name == "ping" || *name == "initialize";
        let found: BTreeSet<&String> = found.iter().filter(is_method).collect();
        assert!(found.len() > 8, "{found:?}");
        let unknown: Vec<_> = found
            .into_iter()
            .filter(|method| {
                let known = [party.requests(), party.notifications()].concat();
                // A schema of messages holds those that answers carry too.
                let others = [party.other().requests(), party.other().notifications()].concat();
                !known.contains(&method.as_str()) && !others.contains(&method.as_str())
            })
            .filter(|method| {
                !method.contains("ref/") && !method.contains("image/") && !method.contains("text/")
            })
            .collect();
        assert!(unknown.is_empty(), "{party}: {unknown:?}");
    }
}

/// The example `notes`, which `cargo test` builds with the tests.
fn notes() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test has a program");
    path.pop();
    path.pop();
    path.push("examples/notes");
    assert!(
        path.is_file(),
        "there is no {}: cargo build -p hooks-mcp --examples",
        path.display()
    );
    path
}

/// A client whose model says what it was asked.
#[derive(Clone)]
struct Client {
    progress: UnboundedSender<f64>,
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities = rmcp::model::ClientCapabilities::builder()
            .enable_sampling()
            .build();
        info
    }
    async fn create_message(
        &self,
        request: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let asked = serde_json::to_string(&request.messages).expect("messages have JSON");
        Ok(CreateMessageResult::new(
            SamplingMessage::assistant_text(asked),
            "echo".to_owned(),
        ))
    }
    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.progress
            .send(progress.progress)
            .expect("the test listens");
    }
}

struct Session {
    client: RunningService<RoleClient, Client>,
    progress: UnboundedReceiver<f64>,
    gateway: JoinHandle<Ended>,
}

async fn session(register: impl FnOnce(&HookRegistry)) -> Session {
    let registry = HookRegistry::new();
    let scope = HookScope::isolated(&registry);
    register(&registry);
    let limits = Limits::default();
    let command = [OsString::from(notes())];
    let server = ServerProcess::start(&command, &limits, Grace::default()).expect("it starts");
    let (ours, theirs) = duplex(64 << 10);
    let (reader, writer) = split(ours);
    let client_side = Side::lines(reader, writer, &limits);
    let gateway = Gateway::new(GatewayOptions::default());
    let gateway = async move { gateway.run(client_side, server).await };
    let gateway = tokio::spawn(scope.wrap(gateway));
    let (sender, progress) = unbounded_channel();
    let client = Client { progress: sender };
    let client = client.serve(theirs).await.expect("the session begins");
    Session {
        client,
        progress,
        gateway,
    }
}

fn call(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let arguments = arguments.as_object().cloned().expect("an object");
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

// On one thread, because this client handles each notification in a task of its own.
#[tokio::test]
async fn the_protocol_s_own_client_and_server_do_not_notice() {
    let mut s = session(|registry| {
        for point in ["mcp.request", "mcp.notification", "tool.execute"] {
            let look = registry.guard(point, point, |_| Ok(Vote::Pass));
            look.unwrap().forget();
        }
    })
    .await;
    assert_eq!(s.client.list_all_tools().await.unwrap().len(), 8);
    s.client
        .call_tool(call("write_note", json!({"path": "a", "text": "hello"})))
        .await
        .unwrap();
    let read = s
        .client
        .call_tool(call("read_note", json!({"path": "a"})))
        .await
        .unwrap();
    assert_eq!(
        serde_json::to_value(&read).unwrap()["content"][0]["text"],
        "hello"
    );
    // Sampling goes the other way, while the call is under way.
    let thought = s
        .client
        .call_tool(call("think", json!({"question": "why?"})))
        .await
        .unwrap();
    assert!(serde_json::to_string(&thought).unwrap().contains("why?"));
    s.client.call_tool(call("count", json!({}))).await.unwrap();
    for step in 1..=10 {
        let progress = timeout(NEVER, s.progress.recv()).await.unwrap();
        assert_eq!(progress, Some(f64::from(step)));
    }
    s.client.cancel().await.unwrap();
    let ended = timeout(NEVER, s.gateway).await.unwrap().unwrap();
    assert_eq!(ended, Ended::ClientLeft);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_s_process_that_crashes_is_an_error_for_the_client() {
    let s = session(|_| ()).await;
    let waiting = s.client.call_tool(call("wait", json!({})));
    let crashing = async {
        tokio::task::yield_now().await;
        s.client.call_tool(call("crash", json!({}))).await
    };
    let (waited, crashed) = timeout(NEVER, async { tokio::join!(waiting, crashing) })
        .await
        .unwrap();
    assert!(crashed.is_err() && waited.is_err());
    let ended = timeout(NEVER, s.gateway).await.unwrap().unwrap();
    assert_eq!(ended, Ended::ServerGone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_is_noticed_though_its_output_is_held_open() {
    let limits = Limits::default();
    // What it starts has its output, and lives on.
    let command = [
        "sh",
        "-c",
        "sleep 30 & echo '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":'$!'}}'; read line",
    ];
    let command = command.map(OsString::from);
    let server = ServerProcess::start(&command, &limits, Grace::default()).expect("it starts");
    let (ours, theirs) = duplex(1 << 16);
    let (reader, writer) = split(theirs);
    let client = Side::lines(reader, writer, &limits);
    let gateway = Gateway::new(GatewayOptions::default());
    let session = tokio::spawn(async move { gateway.run(client, server).await });
    let mut ours = crate::kit::Wire::new(ours);
    let helper = ours.read().await["params"]["data"].as_i64().expect("an id");
    ours.ask(1, "tools/call", json!({"name": "t"})).await;
    assert_eq!(ours.read().await["error"]["code"], hooks_mcp::GONE);
    let ended = timeout(NEVER, session).await.unwrap().unwrap();
    assert_eq!(ended, Ended::ServerGone);
    let helper = i32::try_from(helper)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let killed = rustix::process::kill_process(helper.unwrap(), rustix::process::Signal::KILL);
    killed.expect("it was alive all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_s_process_that_does_not_end_is_told_and_then_killed() {
    for script in [
        "trap '' TERM; while :; do read x || sleep 0.05; done",
        "exec sleep 1000",
    ] {
        let limits = Limits::default();
        let command = ["sh", "-c", script].map(OsString::from);
        let grace = Grace::of(Duration::from_millis(100));
        let mut side = ServerProcess::start(&command, &limits, grace).expect("it starts");
        timeout(NEVER, side.deliver.close())
            .await
            .expect("it is ended");
    }
    let missing = [OsString::from("/no/such/server")];
    let error = ServerProcess::start(&missing, &Limits::default(), Grace::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}
