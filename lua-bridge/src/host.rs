//! What the globals `Tool`, `Agent`, `Workflow` and `Builtin` need of the program that embeds the engine.
//!
//! A global is there if its host was given to [`LuaEngineBuilder`](crate::LuaEngineBuilder); otherwise it is `nil`.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hooks_runtime::{Condition, PreparedHook, Source};
use serde_json::{Map, Value};

/// A future that can be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Any error of a host; made with `?` from whatever the host's own error is.
pub struct HostError(Box<dyn std::error::Error + Send + Sync>);

impl HostError {
    /// An error that is only its message.
    pub fn message(text: impl Into<String>) -> Self {
        HostError(text.into().into())
    }

    /// The error inside.
    pub fn into_inner(self) -> Box<dyn std::error::Error + Send + Sync> {
        self.0
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for HostError {
    fn from(error: E) -> Self {
        HostError(Box::new(error))
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The tools behind `Tool`.
pub trait ToolHost: Send + Sync {
    /// The card of every tool: an object with at least `name`.
    fn list(&self) -> Vec<Value>;

    /// The card of one tool.
    ///
    /// # Errors
    /// There is none of that name; the message says which name was probably meant.
    fn get(&self, name: &str) -> Result<Value, HostError>;

    /// Calls a tool with its one parameter object.
    fn call<'a>(&'a self, name: &'a str, params: Value) -> BoxFuture<'a, Result<Value, HostError>>;
}

/// The language of conditions that are text.
pub trait ConditionHost: Send + Sync {
    /// Makes a condition of it.
    ///
    /// # Errors
    /// It is none in that language; the message says where and why.
    fn compile(&self, text: &str) -> Result<Box<dyn Condition>, HostError>;
}

/// The built-in hooks behind `Builtin`.
pub trait BuiltinHost: Send + Sync {
    /// The words for their kinds: the names of the functions.
    fn kinds(&self) -> Vec<&'static str>;

    /// What hooks of a kind reach with these options, an object. Nothing is opened for it.
    ///
    /// # Errors
    /// The options are not those of the kind.
    fn needs(&self, kind: &str, options: &Map<String, Value>) -> Result<BuiltinNeeds, HostError>;

    /// The hooks of a kind: at `points`, with the `id`, and with the options of the kind, as a configuration has them.
    ///
    /// # Errors
    /// An option is missing or wrong, or what it needs can't be opened; the message is that for a configuration.
    fn prepare(
        &self,
        kind: &str,
        options: Map<String, Value>,
        source: Source,
    ) -> Result<Vec<PreparedHook>, HostError>;
}

/// What a script has to be trusted with, beside its hooks, to have a built-in hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuiltinNeeds {
    /// Files and folders that are read.
    pub reads: Vec<PathBuf>,
    /// Files and folders that are written.
    pub writes: Vec<PathBuf>,
    /// Whether an answer may be Allow.
    pub allows: bool,
}

/// The agents behind `Agent`.
pub trait AgentHost: Send + Sync {
    /// Puts an agent together.
    ///
    /// # Errors
    /// What is missing or does not fit.
    fn create(&self, spec: AgentSpec) -> Result<Arc<dyn ScriptAgent>, HostError>;
}

/// What a script says of an agent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgentSpec {
    /// Its name.
    pub name: String,
    /// What answers it.
    pub model: ModelSpec,
    /// The tools that it may call; `None`: all.
    pub tools: Option<Vec<String>>,
    /// Its standing instructions.
    pub instructions: Option<String>,
}

/// What a script says of a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelSpec {
    /// One turn for each request.
    Script(Vec<ModelTurn>),
}

/// One answer of a scripted model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelTurn {
    /// Text, which ends the run.
    Text(String),
    /// Tool calls, as `(tool, parameters)`.
    Calls(Vec<(String, Value)>),
}

/// An agent that a script created. A host finds its own type again by upcasting: `Arc<dyn ScriptAgent>` to
/// `Arc<dyn Any + Send + Sync>`, then `downcast`.
pub trait ScriptAgent: Any + Send + Sync {
    /// Its name.
    fn name(&self) -> &str;
    /// The lower-case word for its state.
    fn state(&self) -> String;
    /// Makes it ready.
    fn initialize(&self) -> BoxFuture<'_, Result<(), HostError>>;
    /// Runs one task; the result is an object with at least `text`.
    fn execute(&self, input: String) -> BoxFuture<'_, Result<Value, HostError>>;
    /// Calls one of its tools with the tool's one parameter object.
    fn invoke_tool<'a>(
        &'a self,
        name: &'a str,
        params: Value,
    ) -> BoxFuture<'a, Result<Value, HostError>>;
    /// Holds it.
    fn pause(&self) -> BoxFuture<'_, Result<(), HostError>>;
    /// Lets it go on.
    fn resume(&self) -> BoxFuture<'_, Result<(), HostError>>;
    /// Ends it.
    fn stop(&self) -> BoxFuture<'_, Result<(), HostError>>;
}

/// The workflows behind `Workflow`.
pub trait WorkflowHost: Send + Sync {
    /// Puts a workflow of steps together that run one after another.
    ///
    /// # Errors
    /// What is missing or does not fit.
    fn sequential(&self, spec: SequentialSpec) -> Result<Arc<dyn ScriptWorkflow>, HostError>;
}

/// A workflow that a script created.
pub trait ScriptWorkflow: Send + Sync {
    /// Its name.
    fn name(&self) -> &str;
    /// Runs it; the result is an object with at least `value`, `steps` and `state`.
    fn run(&self, input: Value) -> BoxFuture<'_, Result<Value, HostError>>;
}

/// What a script says of a workflow.
#[non_exhaustive]
pub struct SequentialSpec {
    /// Its name.
    pub name: String,
    /// Its steps, in order.
    pub steps: Vec<StepSpec>,
    /// What to do when a step fails that doesn't say so itself.
    pub on_error: Option<OnError>,
}

/// One step of a workflow.
#[non_exhaustive]
pub struct StepSpec {
    /// Its name.
    pub name: String,
    /// What it does.
    pub work: StepWork,
    /// Its input: a template; `None`: the value of the step before.
    pub input: Option<Value>,
    /// Where in the shared state its value goes.
    pub save_as: Option<String>,
    /// What to do when it fails.
    pub on_error: Option<OnError>,
}

/// What a step does.
#[non_exhaustive]
pub enum StepWork {
    /// Calls a tool.
    Tool(String),
    /// Lets an agent do a task.
    Agent(Arc<dyn ScriptAgent>),
    /// Calls a function of the script.
    Function(StepFunction),
}

/// A Lua function as a step.
pub type StepFunction =
    Arc<dyn Fn(StepInput) -> BoxFuture<'static, Result<StepResult, HostError>> + Send + Sync>;

/// What a step function is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepInput {
    /// The step's input.
    pub input: Value,
    /// The shared state, an object.
    pub state: Value,
}

/// What a step function returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepResult {
    /// The step's value.
    pub value: Value,
    /// What it changed in the shared state; null for what it took out.
    pub changes: Map<String, Value>,
}

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnError {
    /// The workflow fails with it.
    Fail,
    /// It is recorded, and the workflow goes on.
    Continue,
    /// It is tried again.
    Retry {
        /// How many times it is tried in all.
        max_attempts: u32,
        /// The wait before each further attempt.
        delay: Duration,
    },
}
