-- Only tools that change nothing may run: whatever is not on the list is refused, also tools that come later.
--
--     hookpoint run examples/lua/read_only_tools.lua

local READ_ONLY = {file_search = true, hash_calculator = true}

Hook.register("tool.execute", function(ctx)
    if not READ_ONLY[ctx.component] then
        return Result.cancel(`{ctx.component} is not on the list of tools that only read`)
    end
end, {role = "guard", name = "read-only", desc = "tools that only read"})

for _, call in {
    {"hash_calculator", {operation = "hash", input = "tea"}},
    {"calculator", {expression = "1 + 1"}},
} do
    local ok, said = pcall(Tool.invoke, call[1], call[2])
    print(call[1], if ok then "ran" else said)
end
