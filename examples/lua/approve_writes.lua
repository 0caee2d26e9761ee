-- Some calls need a person. Without a terminal nobody can be asked, and a question that nobody answers is a refusal.
--
--     hookpoint run examples/lua/approve_writes.lua

local WRITES = {write = true, delete = true, move = true}

Hook.register("workflow.step", function(ctx)
    if WRITES[ctx.args.step] then
        return Result.ask(`May the workflow do "{ctx.args.step}"?`)
    end
end, {role = "guard", name = "approve-writes"})

local workflow = Workflow.sequential{
    name = "clean-up",
    steps = {
        {name = "look", run = function() return "three old files" end},
        {name = "delete", run = function() print("deleted") return "done" end},
    },
}
local ok, said = pcall(function() return workflow:run({}) end)
print(ok, said)
