-- A workflow with a rule for each step: what a step may be given stands in one table.
--
--     hookpoint run examples/lua/guard_per_step.lua

local RULES = {
    count = function(input) return type(input) == "number" and input <= 100, "at most 100" end,
    total = function(input) return type(input) == "number", "a number" end,
}

Hook.register("workflow.step", function(ctx)
    local rule = RULES[ctx.args.step]
    if not rule then return end
    local ok, wanted = rule(ctx.args.input)
    if not ok then return Result.cancel(`the step needs {wanted}`) end
end, {role = "guard", name = "step-rules"})

local function order(count)
    local workflow = Workflow.sequential{
        name = "order",
        steps = {
            {name = "count", run = function(_, input) return input * 2 end},
            {name = "total", run = function(_, input) return input * 5 end},
        },
    }
    local ok, run = pcall(function() return workflow:run(count) end)
    print(count, if ok then run.value else run)
end
order(7)
order(700)
