-- Arguments are put right before the tool runs: blanks go, a missing limit is set, a slip in the spelling is mended.
--
--     hookpoint run examples/lua/change_arguments.lua

Hook.register("tool.execute", function(ctx)
    if ctx.component ~= "calculator" then return end
    local params = ctx.args.params
    params.expression = params.expression:gsub(",", "."):gsub("x", "*"):match("^%s*(.-)%s*$")
end, {name = "mend-sums"})

print(Tool.invoke("calculator", {expression = "  2,5 x 4 "}).result)
