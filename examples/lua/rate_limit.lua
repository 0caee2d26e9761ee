-- No more than two calls of a tool in a minute. The clock is the script's own, so that a test can move it.
--
--     hookpoint run examples/lua/rate_limit.lua --env NOW=0

local LIMIT, WINDOW = 2, 60
local now = tonumber(Env.NOW) or os.time()
local calls = {}

Hook.register("tool.execute", function(ctx)
    local recent = {}
    for _, at in calls[ctx.component] or {} do
        if now - at < WINDOW then table.insert(recent, at) end
    end
    calls[ctx.component] = recent
    if #recent >= LIMIT then
        return Result.cancel(`{ctx.component}: {LIMIT} calls a minute; try again in {WINDOW - (now - recent[1])} s`)
    end
    table.insert(recent, now)
end, {role = "guard", name = "rate-limit"})

for _, wait in {0, 20, 20, 30} do
    now += wait
    local ok, said = pcall(Tool.invoke, "calculator", {expression = "1 + 1"})
    print(if ok then "ran" else said)
end
