-- A program is tried out without its tools: each call gets an answer from a table, and what is not there is refused.
--
--     hookpoint run examples/lua/replace_in_tests.lua

local ANSWERS = {
    file_search = {matches = {{path = "a.txt", line = 1, text = "tea"}}},
    calculator = {result = 42},
}

Hook.register("tool.execute", function(ctx)
    local answer = ANSWERS[ctx.component]
    if answer then return Result.replace(answer) end
    return Result.cancel(`there is no answer for {ctx.component}`)
end, {name = "stand-in", priority = "lowest"})

print(Tool.invoke("calculator", {expression = "1 + 1"}).result)
print(select(2, pcall(Tool.invoke, "hash_calculator", {operation = "hash", input = "x"})))
