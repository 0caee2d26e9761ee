-- A run has three tool calls. The fourth halts the run: every later call of it is refused too.
--
--     hookpoint run examples/lua/budget_per_run.lua

local CALLS = 3
local used = {}

Hook.register("tool.execute", function(ctx)
    local run = ctx.correlation_id
    used[run] = (used[run] or 0) + 1
    if used[run] > CALLS then
        return Result.halt(`the budget of {CALLS} tool calls is spent`)
    end
end, {role = "guard", name = "budget"})

for number = 1, 5 do
    local ok, said = pcall(Tool.invoke, "calculator", {expression = `{number} * 10`})
    print(number, if ok then said.result else said)
end
