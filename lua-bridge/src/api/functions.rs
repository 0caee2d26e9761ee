//! The functions.

use super::Function;

macro_rules! functions {
    ($($name:literal ($($param:literal: $ty:literal),*) $(-> $returns:literal)?, $doc:literal;)*) => {
        &[$(Function {
            name: $name,
            params: &[$(($param, $ty)),*],
            returns: concat!($($returns)?),
            doc: $doc,
        }),*]
    };
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = functions! {
    "Hook.register"("point": "string", "fn": "fun(ctx: HookContext): HookAnswer?", "options?": "HookOptions|HookPriority|integer") -> "HookHandle", "Registers a hook at a point or pattern; it stays until it is unregistered or the script is unloaded. Needs `hook:<point>:<role>`.";
    "Hook.unregister"("hook": "HookHandle|string") -> "boolean", "Unregisters a hook of this script; `false`: there is none.";
    "Hook.list"("filter?": "string|HookFilter") -> "HookInfo[]", "The hooks that are registered, those in Rust and of plugins and other scripts among them; the filter is a point or a table.";
    "Hook.points"("pattern?": "string") -> "HookPointInfo[]", "The points, with the functions that fire them.";
    "Hook.explain"("point": "string", "args?": "table") -> "table", "Who is asked at a point, in which order, and what pure hooks would answer to these arguments.";
    "Hook.call"("point": "string", "args?": "table", "fn?": "fun(args: table): any") -> "any", "Calls the function as a hooked call at a point that the script names, and gives what it returns; hooks see the arguments by name, and may change, refuse or answer the call. Without a function, the arguments come back as the hooks leave them. A refusal is an error with its reason. Needs `call:<point>`. Waits.";
    "Hook.point"("point": "string", "args?": "string[]"), "Makes a point of the script's own known, with the names of its arguments, so that hooks can be registered there before its first `Hook.call`. Needs `call:<point>`.";
    "Hook.clear"("filter?": "{ group: string? }") -> "integer", "Unregisters the hooks of this script, or those of one group of them; says how many.";
    "handle:id"() -> "string", "The id of the hook.";
    "handle:point"() -> "string", "The point or pattern that it was registered at.";
    "handle:unregister"() -> "boolean", "Unregisters it; `false`: it was gone.";
    "handle:enable"(), "Has it asked again.";
    "handle:disable"(), "Has it asked no more, until it is enabled.";
    "handle:stats"() -> "HookStats", "How often its answers were timed, and how long they took; there are figures while the program measures.";
    "Builtin.approval"("options": "BuiltinOptions") -> "HookHandle", "Asks before calls go on. The options of the kind `approval`. Needs `hook:<point>:<role>`.";
    "Builtin.audit"("options": "BuiltinOptions") -> "HookHandle", "Writes an audit trail whose lines are chained. The options of the kind `audit`. Needs `hook:<point>:<role>`. Needs `fs:write:<path>`.";
    "Builtin.caching"("options": "BuiltinOptions") -> "HookHandle", "Keeps what bodies returned, and answers later calls with it. The options of the kind `caching`. Needs `hook:<point>:<role>`.";
    "Builtin.cel"("options": "BuiltinOptions") -> "HookHandle", "Rules in CEL: cancel, halt, ask, allow. The options of the kind `cel`. Needs `hook:<point>:<role>`. Needs `grant:<point>` if a rule allows or `rules_file` is given, and `fs:read:<rules_file>`.";
    "Builtin.cost"("options": "BuiltinOptions") -> "HookHandle", "Counts what calls cost, and keeps to budgets. The options of the kind `cost`. Needs `hook:<point>:<role>`.";
    "Builtin.debugging"("options": "BuiltinOptions") -> "HookHandle", "Keeps the last calls, and dumps them when one fails. The options of the kind `debugging`. Needs `hook:<point>:<role>`. Needs `fs:write:<dump_dir>` if that is given.";
    "Builtin.logging"("options": "BuiltinOptions") -> "HookHandle", "One line of the log of the program for each call. The options of the kind `logging`. Needs `hook:<point>:<role>`.";
    "Builtin.metrics"("options": "BuiltinOptions") -> "HookHandle", "Counts and times calls. The options of the kind `metrics`. Needs `hook:<point>:<role>`.";
    "Builtin.rate_limit"("options": "BuiltinOptions") -> "HookHandle", "Lets so many calls pass in a time; others are refused, or wait. The options of the kind `rate_limit`. Needs `hook:<point>:<role>`.";
    "Builtin.records"("options": "BuiltinOptions") -> "HookHandle", "Writes the record of each call to a file. The options of the kind `records`. Needs `hook:<point>:<role>`. Needs `fs:write:<path>`, and that for each `<path>.<number>` that is kept.";
    "Builtin.redaction"("options": "BuiltinOptions") -> "HookHandle", "Replaces secrets and personal data in arguments, results and streams. The options of the kind `redaction`. Needs `hook:<point>:<role>`.";
    "Builtin.retry"("options": "BuiltinOptions") -> "HookHandle", "Runs what failed again. The options of the kind `retry`. Needs `hook:<point>:<role>`.";
    "Builtin.schema"("options": "BuiltinOptions") -> "HookHandle", "Refuses arguments and results that are not what a JSON Schema says. The options of the kind `schema`. Needs `hook:<point>:<role>`. Needs `fs:read:<path>` for each file that is named.";
    "ctx:deadline"() -> "number?", "The milliseconds that are left for this call of the hook, waits included; `nil`: it has no limit.";
    "Result.cancel"("reason": "string") -> "HookAnswer", "Refuse the call; after the body, withhold the result.";
    "Result.halt"("reason": "string") -> "HookAnswer", "Refuse this call and every later one of the run.";
    "Result.ask"("question": "string|{ question: string }") -> "HookAnswer", "Refuse unless somebody approves.";
    "Result.allow"() -> "HookAnswer", "Let a closed point pass. Needs `grant:<point>`.";
    "Result.replace"("value": "any") -> "HookAnswer", "This is the result.";
    "Result.cache"("plan": "{ key: string, ttl_ms: integer }") -> "HookAnswer", "Answer from the cache; a miss runs the body and keeps its result.";
    "Result.redirect"("to": "string") -> "HookAnswer", "Another component answers.";
    "Result.retry"("plan": "{ delay_ms: integer?, max_attempts: integer }") -> "HookAnswer", "Run the call again.";
    "Event.publish"("topic": "string", "data": "any", "options?": "EventPublishOptions") -> "string", "Publishes an event, and gives its id. Needs `event:publish:<topic>`. Waits for a full queue where it can.";
    "Event.subscribe"("pattern": "string", "fn?": "fun(event: Event): any", "options?": "EventSubscribeOptions") -> "EventSubscription", "Calls the function with each event; without one, events wait for `Event.receive`. Needs `event:subscribe:<pattern>`.";
    "Event.unsubscribe"("subscription": "EventSubscription|integer") -> "boolean", "Ends a subscription; `false`: it had ended.";
    "Event.receive"("subscription": "EventSubscription|integer", "timeout_ms?": "integer") -> "Event?", "The next event, or nothing after so many milliseconds (5,000). Waits.";
    "Event.request"("topic": "string", "data": "any", "timeout_ms?": "integer") -> "any", "Publishes, and gives the data of the first reply. Needs `event:publish:<topic>`. Waits.";
    "Event.history"("pattern": "string", "count?": "integer") -> "Event[]", "The last events that are kept (10), oldest first. Needs `event:subscribe:<pattern>`.";
    "Event.list"() -> "table[]", "The subscriptions of this script.";
    "Event.list_subscriptions"() -> "table[]", "The same as `Event.list`.";
    "Event.stats"() -> "table", "The figures of the bus.";
    "Event.get_stats"() -> "table", "The same as `Event.stats`.";
    "subscription:id"() -> "integer", "Its number.";
    "subscription:unsubscribe"() -> "boolean", "Ends it; `false`: it had ended.";
    "subscription:receive"("timeout_ms?": "integer") -> "Event?", "As `Event.receive`. Waits.";
    "Tool.list"() -> "table[]", "The cards of all tools.";
    "Tool.get"("name": "string") -> "table", "The card of one tool.";
    "Tool.invoke"("name": "string", "params?": "table") -> "any", "Calls a tool with its one table of parameters. Needs `tool:<name>`. Waits.";
    "Agent.create"("config": "AgentConfig") -> "Agent", "An agent of the script's own. Needs `agent`, and `tool:<name>` for each of its tools.";
    "agent:name"() -> "string", "Its name.";
    "agent:state"() -> "string", "The word for its state.";
    "agent:initialize"(), "Makes it ready. Waits.";
    "agent:execute"("input": "string|table") -> "table", "Runs one task; the output has at least `text`. Waits.";
    "agent:invokeTool"("name": "string", "params?": "table") -> "any", "Calls one of its tools with one table of parameters. Waits.";
    "agent:pause"(), "Holds it. Waits.";
    "agent:resume"(), "Lets it go on. Waits.";
    "agent:stop"(), "Ends it. Waits.";
    "Workflow.sequential"("config": "WorkflowConfig") -> "Workflow", "Steps that run one after another. Needs `workflow`, and `tool:<name>` for each tool in it.";
    "wf:name"() -> "string", "Its name.";
    "wf:run"("input?": "any") -> "table", "Runs it; the output has at least `value`, `steps` and `state`. Waits.";
    "Approval.request"("request": "{ question: string, details: any? }") -> "ApprovalAnswer", "Asks whoever approves for the program, at the point `approval.request`. Nobody there, no answer in time: not approved. Needs `approval`. Waits.";
    "Log.debug"("message": "any", "fields?": "table"), "What helps to find mistakes.";
    "Log.info"("message": "any", "fields?": "table"), "What happened.";
    "Log.warn"("message": "any", "fields?": "table"), "What somebody should look at.";
    "Log.error"("message": "any", "fields?": "table"), "What failed.";
    "Json.encode"("value": "any", "options?": "{ pretty: boolean? }") -> "string", "JSON text of a value: at most 100,000 values, 64 tables deep, and 16 MiB a string, unless the program sets other limits.";
    "Json.decode"("text": "string") -> "any", "The value of JSON text, with the same limits; null is `nil`, and `Json.null` in an array.";
    "Json.array"("table?": "table") -> "table", "Marks a table as an array, also when it is empty.";
    "Time.now"() -> "number", "Milliseconds since 1970 in UTC, by the clock of the system.";
    "Time.iso"("time_ms?": "number") -> "string", "A time, by default now, as ISO 8601 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.";
    "Time.sleep"("ms": "integer"), "Waits for so many milliseconds, at most a day, while hooks and handlers of the script go on.";
    "Script.info"() -> "table", "Name, hooks, rights and limits of the script.";
    "Script.requires"("names": "string|string[]") -> "boolean", "Fails unless the program has these: a global (`Agent`), or a function of one (`Event.publish`).";
    "Script.on_unload"("fn": "fun()"), "Calls the function when the script is unloaded or another version takes its place, once its hooks and subscriptions are gone; several are called, the last first, within the time limit of hooks. Not after the script was stopped at a limit.";
    "require"("path": "string") -> "any", "Runs a file beneath the folder of the script, once, and gives what it returns.";
    "print"("...": "any"), "Writes values to the output of the program.";
};
