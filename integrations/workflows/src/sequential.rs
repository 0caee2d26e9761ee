//! The sequential pattern: one step after another.

use hooks_runtime::{HookScope, hooked};
use hooks_tools::template::fill;
use serde_json::{Map, Value, json};

use crate::builder::SequentialBuilder;
use crate::{
    ErrorStrategy, Step, StepOutput, StepRecord, WorkflowError, WorkflowOutput, WorkflowState,
};

/// Steps that run one after another, each on the value of the one before.
///
/// It holds nothing of a run: it may run any number of times at once. Dropping a run's future cancels the step
/// under way and starts no further one.
#[derive(Debug)]
pub struct Sequential {
    name: String,
    steps: Vec<Step>,
    strategy: ErrorStrategy,
    state: WorkflowState,
}

impl Sequential {
    /// Starts to put a workflow together.
    pub fn builder(name: impl Into<String>) -> SequentialBuilder {
        SequentialBuilder::new(name.into())
    }

    pub(crate) fn from_parts(parts: SequentialBuilder) -> Self {
        let SequentialBuilder {
            name,
            steps,
            strategy,
            state,
        } = parts;
        Sequential {
            name,
            steps,
            strategy,
            state,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Runs all steps on `input`. Needs a tokio runtime with timers if a step is retried with a delay.
    ///
    /// # Errors
    /// [`WorkflowError::Step`] for the step that failed, [`WorkflowError::Refused`] if a hook refused the
    /// workflow or a transition.
    pub async fn run(&self, input: Value) -> Result<WorkflowOutput, WorkflowError> {
        // The run is what `Halt` ends.
        let scope = HookScope::run(self.name.as_str());
        scope
            .wrap(self.execute(&self.name, input, self.state.clone(), &scope))
            .await
    }

    /// The whole run. What hooks change in `input` and `state` is what the first step gets.
    #[hooked(point = "workflow.execute", component = workflow, skip(run))]
    async fn execute(
        &self,
        workflow: &str,
        input: Value,
        mut state: WorkflowState,
        run: &HookScope,
    ) -> Result<WorkflowOutput, WorkflowError> {
        let mut previous = input.clone();
        let mut values = Map::new();
        let mut records = Vec::with_capacity(self.steps.len());
        let mut before: Option<&str> = None;
        for (index, step) in self.steps.iter().enumerate() {
            if let Some(before) = before {
                self.transition(workflow, before, step.name(), &state)
                    .await?;
            }
            before = Some(step.name());
            let record = self
                .complete(index, &input, &previous, &values, &mut state, run)
                .await?;
            if record.error.is_none() {
                previous = record.value.clone();
                values.insert(record.step.clone(), record.value.clone());
            }
            records.push(record);
        }
        Ok(WorkflowOutput {
            value: previous,
            steps: records,
            state,
        })
    }

    /// Brings one step to its end: attempts, error strategy, state changes.
    async fn complete(
        &self,
        index: usize,
        input: &Value,
        previous: &Value,
        values: &Map<String, Value>,
        state: &mut WorkflowState,
        run: &HookScope,
    ) -> Result<StepRecord, WorkflowError> {
        let step = &self.steps[index];
        let strategy = step.strategy().unwrap_or(self.strategy);
        let (max_attempts, delay) = strategy.attempts();
        let mut attempts = 0;
        let error = loop {
            attempts += 1;
            let error = match self.attempt(index, input, previous, values, state).await {
                Ok(value) => {
                    return Ok(StepRecord {
                        step: step.name().to_owned(),
                        attempts,
                        value,
                        error: None,
                    });
                }
                Err(error) => error,
            };
            if attempts >= max_attempts || error.refusal().is_some() {
                break error;
            }
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        };
        // A step that is a run of its own may have been halted: that ends the step, not this run.
        let halted = run.halted().is_some();
        if strategy == ErrorStrategy::Continue && !halted {
            let (step, error) = (step.name().to_owned(), Some(error.to_string()));
            return Ok(StepRecord {
                step,
                attempts,
                value: Value::Null,
                error,
            });
        }
        Err(WorkflowError::Step {
            workflow: self.name.clone(),
            step: step.name().to_owned(),
            index,
            attempts,
            source: Box::new(error),
        })
    }

    /// One attempt: input, work, state changes.
    async fn attempt(
        &self,
        index: usize,
        input: &Value,
        previous: &Value,
        values: &Map<String, Value>,
        state: &mut WorkflowState,
    ) -> Result<Value, WorkflowError> {
        let step = &self.steps[index];
        let own_input = match step.template() {
            None => previous.clone(),
            Some(template) => {
                let scope = json!({"input": input, "previous": previous, "steps": values, "state": state.to_json()});
                fill(template, &scope)?
            }
        };
        let mut changes = Map::new();
        let value = self
            .step(
                &self.name,
                step.name(),
                index,
                own_input,
                state,
                &mut changes,
            )
            .await?;
        if let Some(key) = step.saved_as() {
            changes.insert(key.to_owned(), value.clone());
        }
        // All are decided before the first is made: a refusal leaves the state as it was.
        let mut decided = Vec::with_capacity(changes.len());
        for (key, new) in changes {
            let new = self
                .change(&self.name, &key, &state[key.as_str()], new)
                .await?;
            decided.push((key, new));
        }
        for (key, new) in decided {
            state.insert(key, new);
        }
        Ok(value)
    }

    /// One attempt at a step. Hooks may change its `input`, the shared `state` and the value it returns.
    #[hooked(point = "workflow.step", component = workflow, skip(changes))]
    #[allow(unused_variables, reason = "hooks read the names")]
    async fn step(
        &self,
        workflow: &str,
        step: &str,
        index: usize,
        input: Value,
        state: &mut WorkflowState,
        changes: &mut Map<String, Value>,
    ) -> Result<Value, WorkflowError> {
        let StepOutput {
            value,
            changes: made,
        } = self.steps[index].perform(input, state).await?;
        *changes = made;
        Ok(value)
    }

    /// Between two steps; refused, the workflow ends here.
    #[hooked(point = "workflow.transition", component = workflow)]
    #[allow(unused_variables, reason = "hooks read them")]
    async fn transition(
        &self,
        workflow: &str,
        from: &str,
        to: &str,
        state: &WorkflowState,
    ) -> Result<(), WorkflowError> {
        Ok(())
    }

    /// Decides what a step puts under `key`.
    #[hooked(point = "workflow.state", component = workflow)]
    #[allow(unused_variables, reason = "hooks read them")]
    async fn change(
        &self,
        workflow: &str,
        key: &str,
        previous: &Value,
        value: Value,
    ) -> Result<Value, WorkflowError> {
        Ok(value)
    }
}
