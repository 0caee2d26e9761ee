//! One run: the loop of model requests and tool calls.

use std::future::Future;
use std::time::Duration;

use hooks_runtime::hooked;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::{Agent, AgentError, AgentOutput, Message, ModelRequest, ToolCall, ToolCallRecord};

/// A conversation under way and what it has used so far.
pub(crate) struct Run<'a> {
    agent: &'a Agent,
    messages: Vec<Message>,
    output: AgentOutput,
    started: Instant,
    paused: Duration,
}

impl<'a> Run<'a> {
    pub(crate) fn new(agent: &'a Agent, input: String) -> Self {
        let instructions = agent
            .instructions
            .clone()
            .map(|text| Message::System { text });
        let messages = instructions
            .into_iter()
            .chain([Message::User { text: input }])
            .collect();
        let output = AgentOutput::default();
        Run {
            agent,
            messages,
            output,
            started: Instant::now(),
            paused: Duration::ZERO,
        }
    }

    /// Asks the model and calls tools until it answers with text alone.
    pub(crate) async fn complete(mut self) -> Result<AgentOutput, AgentError> {
        let agent = self.agent;
        let limits = agent.limits;
        let tools = agent.tools();
        loop {
            self.breathe().await?;
            self.output.steps += 1;
            self.within("steps", limits.max_steps, self.output.steps)
                .await?;
            let request = ModelRequest {
                messages: self.messages.clone(),
                tools: tools.clone(),
            };
            let response = self.in_time(agent.request(agent.name(), request)).await??;
            self.output.tokens = self.output.tokens.saturating_add(response.usage.total());
            self.within("tokens", limits.max_tokens, self.output.tokens)
                .await?;
            if response.tool_calls.is_empty() {
                self.output.text = response.text.ok_or_else(|| AgentError::EmptyResponse {
                    agent: agent.name().to_owned(),
                    model: agent.model().name().to_owned(),
                })?;
                return Ok(self.output);
            }
            let calls = response.tool_calls.clone();
            self.messages.push(Message::Assistant {
                text: response.text,
                tool_calls: response.tool_calls,
            });
            for call in calls {
                self.breathe().await?;
                self.within(
                    "tool_calls",
                    limits.max_tool_calls,
                    self.output.tool_calls.len() as u64 + 1,
                )
                .await?;
                self.call(call).await?;
            }
        }
    }

    /// Makes one tool call. A failure is the model's to deal with, unless a hook halted the run.
    async fn call(&mut self, call: ToolCall) -> Result<(), AgentError> {
        let ToolCall { id, name, params } = call;
        let result = self
            .in_time(self.agent.invoke_tool(&name, params.clone()))
            .await?;
        let (output, failed) = match result {
            Ok(output) => (output.value, false),
            Err(error) if error.refusal().is_some_and(|refusal| refusal.halted()) => {
                return Err(error);
            }
            Err(error) => (json!({"error": error.to_string()}), true),
        };
        self.output.tool_calls.push(ToolCallRecord {
            name: name.clone(),
            params,
            output: output.clone(),
            failed,
        });
        self.messages.push(Message::Tool {
            id,
            name,
            output,
            failed,
        });
        Ok(())
    }

    /// Waits while the agent is paused; the wait doesn't count.
    async fn breathe(&mut self) -> Result<(), AgentError> {
        let held = Instant::now();
        self.agent.lifecycle.while_paused().await?;
        self.paused += held.elapsed();
        Ok(())
    }

    /// Awaits `work` for as long as the run may still take.
    async fn in_time<F: Future>(&self, work: F) -> Result<F::Output, AgentError> {
        let allowed = self.agent.limits.max_wall;
        let used = self.started.elapsed().saturating_sub(self.paused);
        match timeout(allowed.saturating_sub(used), work).await {
            Ok(output) => Ok(output),
            Err(_) => {
                let used = self.started.elapsed().saturating_sub(self.paused);
                Err(self
                    .exceeded("wall_ms", millis(allowed), millis(used))
                    .await)
            }
        }
    }

    async fn within(&self, limit: &'static str, allowed: u64, used: u64) -> Result<(), AgentError> {
        if used <= allowed {
            Ok(())
        } else {
            Err(self.exceeded(limit, allowed, used).await)
        }
    }

    async fn exceeded(&self, limit: &'static str, allowed: u64, used: u64) -> AgentError {
        let agent = self.agent.name();
        limit_exceeded(agent, limit, allowed, used).await;
        AgentError::LimitExceeded {
            agent: agent.to_owned(),
            limit,
            allowed,
            used,
        }
    }
}

/// Tells that a limit stopped a run. Hooks may only watch.
#[hooked(point = "system.limit", component = agent, observe)]
#[allow(unused_variables, reason = "hooks read them")]
async fn limit_exceeded(agent: &str, limit: &str, allowed: u64, used: u64) {}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
