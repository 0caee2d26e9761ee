-- A guard that asks a tool: what is published has to be the text that was approved, to the letter.
--
--     hookpoint run examples/lua/check_before_publishing.lua

-- With `async = true` a guard may wait. Other calls go on meanwhile; this one is refused if there is no answer in time.
local approved = {}

Hook.register("workflow.step", function(ctx)
    if ctx.args.step ~= "publish" then return end
    local text = ctx.args.input
    local digest = Tool.invoke("hash_calculator", {operation = "hash", input = text}).hash
    if not approved[digest] then return Result.cancel(`nobody approved "{text}"`) end
    print("approved, with time left:", ctx:deadline() > 0)
end, {role = "guard", name = "approved-only", async = true, timeout_ms = 2000})

local function publish(text)
    local workflow = Workflow.sequential{
        name = "press",
        steps = {
            {name = "publish", run = function(_, input) print("published", input) return true end, input = text},
        },
    }
    local ok, said = pcall(function() return workflow:run({}) end)
    if not ok then print(said) end
end

local text = "The shop is open on Sunday."
approved[Tool.invoke("hash_calculator", {operation = "hash", input = text}).hash] = true
publish(text)
publish("The shop is closed on Sunday.")
