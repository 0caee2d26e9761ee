-- Built-in hooks from a script, with the options that they have in a configuration.
--
--     hookpoint run examples/lua/built_in_hooks.lua

Builtin.rate_limit{ id = "two-an-hour", points = "tool.execute", components = "hash_calculator", permits = 2, per_ms = 3600000 }

Builtin.cel{
    id = "no-division",
    points = "tool.execute",
    when = "component == 'calculator'",
    rules = {
        { when = "args.params.expression.contains('/')", ["then"] = "cancel", reason = "no division here" },
    },
}

local redaction = Builtin.redaction{ points = "tool.execute", patterns = { "email" } }

for _, expression in { "6 * 7", "1 / 0" } do
    local ok, said = pcall(Tool.invoke, "calculator", { expression = expression })
    print(if ok then said.result else said)
end

for _ = 1, 3 do
    local ok, said = pcall(Tool.invoke, "hash_calculator", { operation = "hash", input = "write to ann@example.org" })
    print(if ok then "hashed" else (said:gsub(";.*", "")))
end

for _, hook in Hook.list{ own = true } do
    print(hook.id, hook.source.location)
end
print("redaction taken out:", redaction:unregister())
