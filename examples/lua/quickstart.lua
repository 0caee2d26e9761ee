-- Hooks, tools, an agent and a workflow in one script. Run it in the root of the repository:
--
--     hookpoint run examples/lua/quickstart.lua

-- 1 · Hooks ---------------------------------------------------------------------------------------------------

-- An intercept changes arguments before the body runs: searches get sensible limits.
Hook.register("tool.execute", function(ctx)
    if ctx.component ~= "file_search" then return end
    local params = ctx.args.params
    params.pattern = params.pattern:match("^%s*(.-)%s*$")
    params.max_results = params.max_results or 3
end, {name = "tidy-search", desc = "trims the pattern, and asks for three matches at most"})

-- A guard refuses, with a reason that the caller gets. It sees what the intercepts made of the arguments.
Hook.register("tool.execute", function(ctx)
    if ctx.component == "calculator" and #ctx.args.params.expression > 40 then
        return Result.cancel("too long to be a sum")
    end
end, {name = "short-sums", role = "guard", priority = "high"})

-- An intercept may also answer instead of the body, or change what the body returned.
Hook.register("tool.execute", function(ctx)
    if ctx.component == "calculator" and ctx.args.params.expression == "the answer" then
        return Result.replace({result = 42})
    end
end, {name = "deep-thought"})

for _, hook in Hook.list{own = true} do
    print("hook", hook.id, hook.role, hook.source.location)
end

-- 2 · Tools ---------------------------------------------------------------------------------------------------

for _, tool in Tool.list() do
    print("tool", tool.name, tool.description)
end

print("sum", Tool.invoke("calculator", {expression = "6 * (3 + 4)"}).result)
print("replaced", Tool.invoke("calculator", {expression = "the answer"}).result)

local found = Tool.invoke("file_search", {pattern = "  hook point ", globs = {"*.md"}})
for _, match in found.matches do
    print("found", match.path .. ":" .. match.line)
end

local hash = Tool.invoke("hash_calculator", {operation = "hash", file = "Cargo.toml"})
print("hash", hash.algorithm, #hash.hash .. " digits", hash.bytes .. " bytes")

-- A refusal is an error of the caller, with the place in this script. The first is by the guard above, the second
-- by a plugin crate that is linked into the command, the third by the command's own hook in Rust.
for _, call in {
    {"calculator", {expression = string.rep("1 + ", 20) .. "1"}},
    {"hash_calculator", {operation = "hash", input = "secret", algorithm = "md5"}},
    {"hash_calculator", {operation = "hash", file = "../secret.txt"}},
} do
    local ok, refusal = pcall(Tool.invoke, call[1], call[2])
    print("refused", not ok, refusal)
end

-- 3 · An agent ------------------------------------------------------------------------------------------------

-- A scripted model is deterministic: one turn for each request. {{1.result}} is the first tool's output.
local agent = Agent.create{
    name = "accountant",
    tools = {"calculator"},
    model = {script = {
        {tool = "calculator", params = {expression = "19 * 1.25"}},
        "The total is {{1.result}} EUR.",
    }},
}
agent:initialize()
local output = agent:execute("What is 19 EUR with 25 % on top?")
print("agent", output.text, output.steps .. " steps", agent:state())
print("agent tool", agent:invokeTool("calculator", {expression = "2 + 2"}).result)

-- 4 · A workflow ----------------------------------------------------------------------------------------------

local workflow = Workflow.sequential{
    name = "inventory",
    steps = {
        {name = "search", tool = "file_search", params = {pattern = "workspace", globs = {"Cargo.toml"}}, save_as = "hits"},
        {name = "count", run = function(state, input)
            state.count = #input.matches
            return Tool.invoke("calculator", {expression = state.count .. " * 100"}).result
        end},
        {name = "digest", tool = "hash_calculator", params = {operation = "hash", input = "total {{previous}}"}},
    },
}
local run = workflow:run({})
print("workflow", #run.steps .. " steps", "count " .. run.state.count, run.value.hash:sub(1, 8))

-- 5 · Events ---------------------------------------------------------------------------------------------------

-- A handler runs while the script waits, and after it has ended until everything is handled. What hooks did is
-- published too: each refusal above was an event.
Event.subscribe("stock.*", function(event)
    print("event", event.topic, event.data.item, event.data.left)
end)
Event.subscribe("stock.count", function(event)
    return {item = event.data.item, left = 3}
end)

Event.publish("stock.low", {item = "tea", left = 1}, {subject = "shelf/7"})
print("reply", Event.request("stock.count", {item = "salt"}).left)

local refusals = Event.subscribe("hook.*.*.refused")
pcall(Tool.invoke, "calculator", {expression = string.rep("2 + ", 20) .. "2"})
local refused = refusals:receive()
print("heard", refused.topic, refused.data.refusal.reason)

agent:stop()
return {hooks = #Hook.list{own = true}, answer = 42}
