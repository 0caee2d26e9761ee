-- A call that failed is made again: three attempts, each wait twice as long as the one before, then a value to go on with.
--
--     hookpoint run examples/lua/retry_with_backoff.lua

local ATTEMPTS = 3

Hook.register("tool.execute", function(ctx)
    if ctx.attempt == ATTEMPTS then
        print("attempt", ctx.attempt, "failed, going on with 0")
        return Result.replace({result = 0})
    end
    local wait = 10 * 2 ^ (ctx.attempt - 1)
    print("attempt", ctx.attempt, `failed, again in {wait} ms`)
    return Result.retry{delay_ms = wait, max_attempts = ATTEMPTS}
end, {name = "back-off", phase = "error", may_retry = true})

print("result", Tool.invoke("calculator", {expression = "1 / 0"}).result)
print("result", Tool.invoke("calculator", {expression = "1 / 4"}).result)
