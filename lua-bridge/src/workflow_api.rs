//! The global `Workflow`, and the methods of workflows.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Lua, Table, Value};
use serde_json::{Map, Value as Json};

use crate::agent_api::AgentHandle;
use crate::allowance::Allowance;
use crate::bind::{ApiResult, Binder};
use crate::convert::{self, restore};
use crate::host::{
    HostError, OnError, ScriptWorkflow, SequentialSpec, StepFunction, StepInput, StepResult,
    StepSpec, StepWork, WorkflowHost,
};
use crate::options::Options;
use crate::rights::{self, Capability};
use crate::run::{drive, json};
use crate::vm::Vm;

const WHAT: &str = "Workflow.sequential";

struct WorkflowHandle(Arc<dyn ScriptWorkflow>);

/// Makes the global.
pub(crate) fn install(
    lua: &Lua,
    bind: &Binder,
    host: &Arc<dyn WorkflowHost>,
    limit: Duration,
) -> mlua::Result<()> {
    let workflow = lua.create_table()?;
    let workflows = Arc::clone(host);
    workflow.raw_set(
        "sequential",
        bind.function(WHAT, move |lua, config: Table| {
            let workflow = workflows.sequential(spec(lua, &config, limit)?)?;
            Ok(lua.create_any_userdata(WorkflowHandle(workflow))?)
        })?,
    )?;
    let run = bind.waiting("wf:run", |lua, (this, input): (Value, Value)| {
        let workflow = of(&this)?;
        let input = convert::to_json(lua, &input)?;
        Ok(Box::pin(async move {
            workflow
                .run(input)
                .await
                .map(json)
                .map_err(|error| error.to_string())
        }))
    })?;
    let name = bind.function("wf:name", |_, this: Value| Ok(of(&this)?.name().to_owned()))?;
    crate::bind::methods::<WorkflowHandle>(lua, "workflow", vec![("run", run), ("name", name)])?;
    lua.globals().raw_set("Workflow", workflow)
}

fn of(this: &Value) -> ApiResult<Arc<dyn ScriptWorkflow>> {
    match this {
        Value::UserData(data) if data.is::<WorkflowHandle>() => {
            Ok(Arc::clone(&data.borrow::<WorkflowHandle>()?.0))
        }
        _ => Err(
            "call it on a workflow that Workflow.sequential returned, with a colon: wf:run(…)"
                .into(),
        ),
    }
}

fn spec(lua: &Lua, config: &Table, limit: Duration) -> ApiResult<SequentialSpec> {
    rights::check(lua, WHAT, &Capability::WORKFLOW)?;
    let options = Options::new(WHAT, config, &["name", "steps", "on_error"])?;
    let steps = options.table("steps", "a list of steps")?;
    let steps = steps
        .ok_or("Workflow.sequential: it needs steps = {{name = …, tool = …, params = {…}}, …}")?;
    let mut specs = Vec::new();
    for (at, step) in steps.sequence_values::<Table>().enumerate() {
        specs.push(step_spec(lua, at + 1, &step?, limit)?);
    }
    Ok(SequentialSpec {
        name: options.name("name")?,
        steps: specs,
        on_error: on_error(&options)?,
    })
}

fn step_spec(lua: &Lua, at: usize, step: &Table, limit: Duration) -> ApiResult<StepSpec> {
    let what = format!("{WHAT}: step {at}");
    let known = [
        "name", "tool", "params", "agent", "input", "run", "save_as", "on_error",
    ];
    let options = Options::new(&what, step, &known)?;
    let (tool, run) = (options.string("tool")?, options.function("run")?);
    let agent = options.raw("agent")?;
    let (params, input) = (options.json(lua, "params")?, options.json(lua, "input")?);
    let (work, input) = match (tool, agent, run) {
        (Some(tool), Value::Nil, None) => {
            if input.is_some() {
                return Err(format!("{what}: a tool takes `params`, not `input`").into());
            }
            rights::check(lua, &what, &Capability::tool(&tool))?;
            (StepWork::Tool(tool), params)
        }
        (None, Value::UserData(agent), None) if agent.is::<AgentHandle>() => {
            let agent = Arc::clone(&agent.borrow::<AgentHandle>()?.0);
            (StepWork::Agent(agent), input)
        }
        (None, Value::Nil, Some(function)) => (
            StepWork::Function(step_function(lua, function, limit)?),
            input,
        ),
        (None, agent, None) if !agent.is_nil() => {
            return options.wrong("agent", "an agent that Agent.create returned", &agent);
        }
        _ => {
            return Err(format!("{what}: it has exactly one of tool = \"…\", agent = … and run = function(state) … end").into());
        }
    };
    if params_without_tool(step, &work)? {
        return Err(format!(
            "{what}: `params` are for a tool; an agent and a function take `input`"
        )
        .into());
    }
    Ok(StepSpec {
        name: options.name("name")?,
        work,
        input,
        save_as: options.string("save_as")?,
        on_error: on_error(&options)?,
    })
}

fn params_without_tool(step: &Table, work: &StepWork) -> ApiResult<bool> {
    let given = !step.raw_get::<Value>("params")?.is_nil();
    Ok(given && !matches!(work, StepWork::Tool(_)))
}

/// `"fail"`, `"continue"` or `{retry = {max_attempts = 3, delay_ms = 100}}`.
fn on_error(options: &Options<'_>) -> ApiResult<Option<OnError>> {
    let Value::Table(table) = options.raw("on_error")? else {
        return options.word(
            "on_error",
            &[("fail", OnError::Fail), ("continue", OnError::Continue)],
        );
    };
    let outer = Options::new("on_error", &table, &["retry"])?;
    let retry = outer.table("retry", "{max_attempts = …, delay_ms = …}")?;
    let retry = retry.ok_or(
        "on_error: write \"fail\", \"continue\" or {retry = {max_attempts = 3, delay_ms = 100}}",
    )?;
    let retry = Options::new("on_error.retry", &retry, &["max_attempts", "delay_ms"])?;
    let max_attempts = retry.count("max_attempts")?.ok_or(
        "on_error.retry: it needs `max_attempts`, how many times the step is tried in all",
    )?;
    let delay = retry.count("delay_ms")?.unwrap_or(0);
    Ok(Some(OnError::Retry {
        max_attempts,
        delay: Duration::from_millis(delay.into()),
    }))
}

/// A coroutine for each call: the function may wait for tools and agents as the script itself may.
fn step_function(lua: &Lua, function: Function, limit: Duration) -> ApiResult<StepFunction> {
    let vm = Vm::of(lua)?;
    // Tables are handed over by reference, so what the function left in `state` is seen afterwards.
    let with_state: Function = lua
        .load("local f = ... return function(state, input) return {value = f(state, input), state = state} end")
        .set_name(format!("={}", crate::bind::CHUNK))
        .call(function)?;
    let slot = Arc::new(vm.keep(Value::Function(with_state)));
    let vm = Arc::downgrade(&vm);
    Ok(Arc::new(move |step: StepInput| {
        let (vm, slot) = (vm.clone(), Arc::clone(&slot));
        Box::pin(async move {
            let vm = vm
                .upgrade()
                .ok_or_else(|| HostError::message("the script of this step was unloaded"))?;
            // A step that the host runs on a task of its own may take as long as a handler.
            let allowance = Allowance::of_the_wait().unwrap_or(Allowance::Each(limit));
            let args = vec![step.state.clone(), step.input];
            let mut left = match drive(&vm, &slot, args, allowance).await? {
                Json::Object(left) => left,
                _ => Map::new(),
            };
            let state = left.shift_remove("state").unwrap_or_default();
            Ok(StepResult {
                value: left.shift_remove("value").unwrap_or_default(),
                changes: changes(&step.state, restore(&step.state, state)),
            })
        })
    }))
}

/// The keys that differ.
fn changes(before: &Json, after: Json) -> Map<String, Json> {
    let none = Map::new();
    let before = before.as_object().unwrap_or(&none);
    let Json::Object(after) = after else {
        return none;
    };
    let mut changes: Map<String, Json> = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .map(|key| (key.clone(), Json::Null))
        .collect();
    changes.extend(
        after
            .into_iter()
            .filter(|(key, value)| before.get(key) != Some(value)),
    );
    changes
}
