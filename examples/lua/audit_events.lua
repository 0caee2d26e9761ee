-- Every tool call becomes an event on `audit.tool`, whatever came of it; another part of the program writes them down.
--
--     hookpoint run examples/lua/audit_events.lua

Hook.register("tool.execute", function(ctx)
    Event.publish("audit.tool", {
        tool = ctx.component,
        outcome = ctx.outcome,
        refused_by = ctx.refusal and ctx.refusal.hook,
    })
end, {role = "observe", name = "audit"})

Hook.register("tool.execute", function(ctx)
    if ctx.component == "calculator" then return Result.cancel("no sums") end
end, {role = "guard", name = "no-sums"})

local inbox = Event.subscribe("audit.tool")
Tool.invoke("hash_calculator", {operation = "hash", input = "tea"})
pcall(Tool.invoke, "calculator", {expression = "1 + 1"})

for _ = 1, 2 do
    local entry = inbox:receive(5000).data
    print("audit", entry.tool, entry.refused_by or "nobody refused")
end
