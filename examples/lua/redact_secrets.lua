-- Keys are taken out of what goes into a tool and of what a model answers, before anybody else sees them.
--
--     hookpoint run examples/lua/redact_secrets.lua

local function redacted(text)
    return (text:gsub("sk%-%w+", "[key]"):gsub("%d%d%d%d ?%d%d%d%d ?%d%d%d%d ?%d%d%d%d", "[card]"))
end

Hook.register("tool.execute", function(ctx)
    local params = ctx.args.params
    for name, value in params do
        if type(value) == "string" then params[name] = redacted(value) end
    end
end, {name = "redact-arguments", priority = "highest"})

Hook.register("agent.execute", function(ctx)
    ctx.result.text = redacted(ctx.result.text)
end, {name = "redact-answers", phase = "post", priority = "lowest"})

-- What the tool was really given shows in its digest.
local function digest(text) return Tool.invoke("hash_calculator", {operation = "hash", input = text}).hash end
print("same digest", digest("key sk-12345abc") == digest("key [key]"))

local agent = Agent.create{name = "clerk", model = {script = {"Your card is 4111 1111 1111 1111, your key sk-98765."}}}
agent:initialize()
print(agent:execute("What do you know about me?").text)
