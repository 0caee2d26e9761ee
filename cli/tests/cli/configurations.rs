//! The configurations under `examples/config`, each in force over real tools and agents.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use hookpoint::agents::{Agent, AgentError, Model, ModelError, ModelRequest, ModelResponse, Usage};
use hookpoint::builtin::{DebuggingHook, Ledger, Metrics, verify};
use hookpoint::tools::fs::Root;
use hookpoint::tools::util::{Calculator, HashCalculator};
use hookpoint::tools::{ToolError, ToolOutput, ToolRegistry};
use hookpoint::{HookRegistry, HookScope, HookSystem, async_trait};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A configuration in force, its paths in a folder of the test.
struct InForce {
    folder: tempfile::TempDir,
    registry: HookRegistry,
    scope: HookScope,
    tools: Arc<ToolRegistry>,
    system: HookSystem,
}

impl InForce {
    async fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        InForce::again(name, folder).await
    }

    /// As after the program was started anew.
    async fn again(name: &str, folder: tempfile::TempDir) -> Self {
        let text = std::fs::read_to_string(root().join("examples/config").join(name));
        let here = folder.path().display().to_string();
        let text = text
            .expect("the example")
            .replace("/var/lib/hookpoint", &here);
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("a file");
        let registry = HookRegistry::new();
        let scope = HookScope::isolated(&registry);
        let built = scope.wrap(async { HookSystem::builder().config(&file)?.build().await });
        let system = built.await.expect("it is in force");
        assert_eq!(system.problems(), []);
        let tools = Arc::new(ToolRegistry::new());
        tools.register(Calculator::new()).expect("a tool");
        let files = Root::open(root()).expect("a folder");
        let hashes = HashCalculator::beneath(Arc::new(files));
        tools.register(hashes).expect("a tool");
        InForce {
            folder,
            registry,
            scope,
            tools,
            system,
        }
    }

    async fn call(&self, tool: &str, params: Value) -> Result<ToolOutput, ToolError> {
        self.scope.wrap(self.tools.call(tool, params)).await
    }

    /// Why hooks refuse it.
    async fn refused(&self, tool: &str, params: Value) -> String {
        let error = self.call(tool, params).await.expect_err("it is refused");
        error.refusal().expect("by a hook").reason().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn hash(params: Value) -> Value {
    let mut all = json!({ "operation": "hash" });
    all.as_object_mut()
        .expect("an object")
        .extend(params.as_object().expect("an object").clone());
    all
}

#[tokio::test]
async fn guardrails_refuse_what_the_rules_say() {
    let it = InForce::new("guardrails.toml").await;
    it.call(
        "hash_calculator",
        hash(json!({ "file": "docs/SUMMARY.md" })),
    )
    .await
    .expect("docs");
    let refused = it
        .refused("hash_calculator", hash(json!({ "file": "Cargo.toml" })))
        .await;
    assert_eq!(refused, "only files under docs/ are hashed");
    let refused = it
        .refused(
            "hash_calculator",
            hash(json!({ "input": "x", "algorithm": "md5" })),
        )
        .await;
    assert_eq!(refused, "MD5 is broken");
    it.call("calculator", json!({ "expression": "6 * 7" }))
        .await
        .expect("a shadow never counts");
    let long = "1 + ".repeat(30) + "1";
    let refused = it
        .refused("calculator", json!({ "expression": long }))
        .await;
    assert!(
        refused.contains("/maxLength") && !refused.contains("1 + 1"),
        "{refused}"
    );
    assert!(
        it.registry.unregister("tool-rules").is_err(),
        "it is required"
    );
}

/// A model that uses so many tokens.
struct Tokens(u64);

#[async_trait]
impl Model for Tokens {
    fn name(&self) -> &str {
        "tokens"
    }
    async fn request(&self, _: ModelRequest) -> Result<ModelResponse, ModelError> {
        Ok(ModelResponse {
            text: Some("done".to_owned()),
            usage: Usage {
                input_tokens: 1_000,
                output_tokens: self.0,
            },
            ..ModelResponse::default()
        })
    }
}

async fn ask(it: &InForce) -> Result<(), AgentError> {
    let agent = Agent::builder("it").model(Tokens(1_000)).build()?;
    agent.initialize().await?;
    HookScope::run("one")
        .wrap(it.scope.wrap(agent.execute("go")))
        .await
        .map(drop)
}

#[tokio::test]
async fn a_budget_is_spent_and_then_refuses() {
    let it = InForce::new("budget.toml").await;
    ask(&it).await.expect("there is room");
    let spent = Ledger::of("model-cost").expect("it counts").spent(0);
    // A call, 1,000 tokens there and 1,000 back.
    assert_eq!(spent.to_string(), "0.019");
    for number in 0..2 {
        let params = json!({ "expression": format!("1 + {number}") });
        it.call("calculator", params)
            .await
            .expect("two in a minute");
    }
    let refused = it.refused("calculator", json!({ "expression": "1" })).await;
    assert!(refused.contains("2 calls"), "{refused}");
    it.call("hash_calculator", hash(json!({ "input": "x" })))
        .await
        .expect("permits of its own");
}

#[tokio::test]
async fn the_audit_has_every_call_and_no_secret() {
    let it = InForce::new("audit.toml").await;
    let secret = "AKIAMARKERMARKER4567";
    let params = hash(json!({ "input": format!("key {secret}") }));
    it.call("hash_calculator", params)
        .await
        .expect("it is let through, redacted");
    it.call(
        "calculator",
        json!({ "expression": "6 * 7", "variables": {} }),
    )
    .await
    .expect("an answer");
    let trail = it.path("audit.jsonl");
    assert_eq!(verify(&trail).expect("a chain").lines, 6);
    let InForce {
        folder,
        system,
        registry,
        ..
    } = it;
    drop((system, registry));
    for name in ["audit.jsonl", "records.jsonl"] {
        let text = std::fs::read_to_string(folder.path().join(name)).expect("a file");
        assert!(
            !text.contains(secret) && text.contains("[redacted:aws_key]"),
            "{name}: {text}"
        );
    }
}

fn approvals(args: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookpoint"));
    command
        .arg("approvals")
        .args(args)
        .arg("--folder")
        .arg(folder);
    command.output().expect("it starts")
}

#[tokio::test]
async fn an_approval_lets_the_same_call_pass_once_in_a_program_that_was_started_anew() {
    let it = InForce::new("approvals.toml").await;
    it.call("hash_calculator", hash(json!({ "input": "x" })))
        .await
        .expect("it reads no file");
    let params = hash(json!({ "file": "docs/SUMMARY.md" }));
    let refused = it.refused("hash_calculator", params.clone()).await;
    let token = refused
        .split("approvals show ")
        .nth(1)
        .expect("a token")
        .trim_end_matches('`');
    let InForce { folder, .. } = it;
    let allowed = approvals(&["allow", token], &folder.path().join("approvals"));
    assert!(
        allowed.status.success(),
        "{}",
        String::from_utf8_lossy(&allowed.stderr)
    );
    let it = InForce::again("approvals.toml", folder).await;
    it.call("hash_calculator", params.clone())
        .await
        .expect("once");
    let again = it.refused("hash_calculator", params).await;
    assert!(again.contains("it waits for approval"), "{again}");
}

#[tokio::test]
async fn what_happens_is_seen_and_answers_are_kept() {
    let it = InForce::new("observe.toml").await;
    for _ in 0..3 {
        it.call("calculator", json!({ "expression": "6 * 7" }))
            .await
            .expect("an answer");
    }
    it.call("calculator", json!({ "expression": "6 *" }))
        .await
        .expect_err("no expression");
    let text = Metrics::of("metrics").expect("it counts").prometheus();
    let line = "hookpoint_calls_total{point=\"tool.execute\",component=\"calculator\",outcome=\"returned\"} 3";
    assert!(text.contains(line), "{text}");
    let ring = DebuggingHook::ring("last-calls").expect("it keeps");
    let calls = ring.json(&hookpoint::builtin::CallFilter::default());
    let hits = calls.to_string().matches("\"cache_hit\":true").count();
    assert_eq!(hits, 2, "{calls}");
}
