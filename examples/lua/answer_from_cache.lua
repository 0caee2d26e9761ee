-- The same question is answered once: the second call gets the first one's result, and the tool does not run.
--
--     hookpoint run examples/lua/answer_from_cache.lua

local ran = 0

Hook.register("tool.execute", function(ctx)
    return Result.cache{key = ctx.component .. Json.encode(ctx.args.params), ttl_ms = 60000}
end, {name = "cache"})

Hook.register("tool.execute", function(ctx)
    if ctx.executed then ran += 1 end
end, {role = "observe", name = "count"})

for _, expression in {"6 * 7", "6 * 7", "6 * 8"} do
    print(expression, Tool.invoke("calculator", {expression = expression}).result)
end
print("ran", ran)
