//! The agent: its lifecycle, its tools and its delegates.

use std::fmt;
use std::sync::{Arc, Weak};

use hooks_runtime::{HookScope, hooked};
use hooks_tools::ToolRegistry;

use crate::action::Action;
use crate::builder::AgentBuilder;
use crate::lifecycle::Lifecycle;
use crate::run::Run;
use crate::{
    AgentError, AgentLimits, AgentOutput, AgentRoster, AgentState, Model, ModelRequest,
    ModelResponse,
};

/// A model with tools, limits and a state. Share it in an [`Arc`]; it runs one task at a time.
pub struct Agent {
    name: String,
    model: Arc<dyn Model>,
    pub(crate) tools: Arc<ToolRegistry>,
    pub(crate) allowed: Option<Vec<String>>,
    pub(crate) instructions: Option<String>,
    pub(crate) limits: AgentLimits,
    roster: Weak<AgentRoster>,
    pub(crate) lifecycle: Lifecycle,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Agent");
        out.field("name", &self.name)
            .field("model", &self.model.name())
            .field("state", &self.state());
        out.finish_non_exhaustive()
    }
}

impl Agent {
    /// Starts to put an agent together.
    pub fn builder(name: impl Into<String>) -> AgentBuilder {
        AgentBuilder::new(name.into())
    }

    pub(crate) fn from_parts(parts: AgentBuilder) -> Result<Self, AgentError> {
        let AgentBuilder {
            name,
            model,
            tools,
            allowed,
            instructions,
            limits,
            roster,
        } = parts;
        let Some(model) = model else {
            let reason = "it has no model; give it one with `.model(…)`".to_owned();
            return Err(AgentError::Setup {
                agent: name,
                reason,
            });
        };
        let lifecycle = Lifecycle::new(name.clone());
        Ok(Agent {
            name,
            model,
            tools,
            allowed,
            instructions,
            limits,
            roster,
            lifecycle,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state now. Takes no lock: a hook of a transition may ask.
    pub fn state(&self) -> AgentState {
        self.lifecycle.state()
    }

    /// Its model.
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }

    /// Checks that its tools are there and makes it ready; if one is missing, it has failed.
    ///
    /// # Errors
    /// [`AgentError::Tool`] for a missing tool, [`AgentError::IllegalTransition`], [`AgentError::Refused`].
    pub async fn initialize(&self) -> Result<(), AgentError> {
        if self.state() == AgentState::Initializing
            && let Err(error) = self.check_tools()
        {
            self.lifecycle
                .change(Action::Fail, &error.to_string())
                .await?;
            return Err(error);
        }
        self.lifecycle
            .change(Action::Initialize, "initialized")
            .await
    }

    /// Makes a failed agent ready again, if what it needs is there.
    ///
    /// # Errors
    /// As [`Agent::initialize`]; the agent stays failed.
    pub async fn recover(&self) -> Result<(), AgentError> {
        self.check_tools()?;
        self.lifecycle.change(Action::Recover, "recovered").await
    }

    /// Holds a running agent at its next step: before the next model request or tool call.
    ///
    /// # Errors
    /// [`AgentError::IllegalTransition`], [`AgentError::Refused`].
    pub async fn pause(&self) -> Result<(), AgentError> {
        self.lifecycle.change(Action::Pause, "paused").await
    }

    /// Lets a paused agent go on.
    ///
    /// # Errors
    /// [`AgentError::IllegalTransition`], [`AgentError::Refused`].
    pub async fn resume(&self) -> Result<(), AgentError> {
        self.lifecycle.change(Action::Resume, "resumed").await
    }

    /// Ends an agent that is ready, paused or failed; a paused run ends with [`AgentError::Stopped`]. Hooks
    /// may watch and can't prevent it.
    ///
    /// # Errors
    /// [`AgentError::IllegalTransition`]: a running agent must be paused first.
    pub async fn stop(&self) -> Result<(), AgentError> {
        self.lifecycle.change(Action::Stop, "stopped").await
    }

    /// Runs one task. Afterwards the agent is ready, or failed if the run ended with an error; a run that hooks
    /// refused (and did not halt) leaves it ready. If the future is dropped, the agent is ready again at once.
    ///
    /// # Errors
    /// [`AgentError`]. A tool that fails or is refused does not end the run: the model is told.
    pub async fn execute(&self, input: impl Into<String>) -> Result<AgentOutput, AgentError> {
        self.lifecycle.change(Action::Start, "execute").await?;
        let mut guard = RunGuard {
            lifecycle: &self.lifecycle,
            armed: true,
        };
        // The run is what `Halt` ends; the way out of it lies outside.
        let scope = HookScope::run(self.name.as_str());
        let result = scope.wrap(self.run(&self.name, input.into())).await;
        // What ends while it is paused ends when it is resumed.
        let settled = match self.lifecycle.while_paused().await {
            Err(stopped) => Err(stopped),
            Ok(()) => self.settle(&result).await,
        };
        guard.armed = false;
        match (result, settled) {
            (Ok(_), Err(error)) => Err(error),
            (result, _) => result,
        }
    }

    /// Leaves the state `Running`, as the result demands.
    async fn settle(&self, result: &Result<AgentOutput, AgentError>) -> Result<(), AgentError> {
        let finish = match result {
            Ok(_) => Ok("done"),
            Err(error) if error.refusal().is_some_and(|refusal| !refusal.halted()) => Ok("refused"),
            Err(error) => Err(error.to_string()),
        };
        let failure = match finish {
            Err(failure) => failure,
            Ok(reason) => match self.lifecycle.change(Action::Finish, reason).await {
                Ok(()) => return Ok(()),
                // It may not become ready, and it is not running: failing can't be refused.
                Err(error) => {
                    if self.state() == AgentState::Running {
                        self.lifecycle
                            .change(Action::Fail, &error.to_string())
                            .await?;
                    }
                    return Err(error);
                }
            },
        };
        self.lifecycle.change(Action::Fail, &failure).await
    }

    /// The run itself, between start and finish.
    #[hooked(point = "agent.execute", component = agent)]
    async fn run(&self, agent: &str, input: String) -> Result<AgentOutput, AgentError> {
        let _ = agent;
        Run::new(self, input).complete().await
    }

    #[hooked(point = "model.request", component = self.model.name(), retry)]
    #[allow(unused_variables, reason = "hooks read the name")]
    pub(crate) async fn request(
        &self,
        agent: &str,
        request: ModelRequest,
    ) -> Result<ModelResponse, AgentError> {
        Ok(self.model.request(request).await?)
    }

    /// Lets the agent of that name in the roster do a task.
    ///
    /// # Errors
    /// [`AgentError::Setup`] without a roster, [`AgentError::UnknownAgent`], and those of the other agent's
    /// [`Agent::execute`], an agent that is at work included.
    pub async fn delegate(
        &self,
        to: impl Into<String>,
        input: impl Into<String>,
    ) -> Result<AgentOutput, AgentError> {
        self.hand_over(&self.name, to.into(), input.into()).await
    }

    #[hooked(point = "agent.delegate", component = from)]
    async fn hand_over(
        &self,
        from: &str,
        to: String,
        input: String,
    ) -> Result<AgentOutput, AgentError> {
        let roster = self.roster.upgrade().ok_or_else(|| AgentError::Setup {
            agent: from.to_owned(),
            reason: "it has nobody to delegate to; give it a roster with `.roster(…)` and keep that alive".to_owned(),
        })?;
        roster.get(&to)?.execute(input).await
    }
}

/// Makes the agent ready when its run is dropped.
struct RunGuard<'a> {
    lifecycle: &'a Lifecycle,
    armed: bool,
}

impl Drop for RunGuard<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.lifecycle.abort();
        }
    }
}
