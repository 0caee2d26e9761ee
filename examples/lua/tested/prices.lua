-- A rule with a test of its own beside it: hookpoint lua test examples/lua/tested

local prices = {}

function prices.cents(text)
    local euros, cents = text:match("^(%d+)[.,](%d%d)$")
    return euros and euros * 100 + cents
end

Hook.register("tool.execute", function(ctx)
    if ctx.component ~= "calculator" then return end
    if ctx.args.params.expression:find("/ ?0") then return Result.cancel("nothing is divided by nothing") end
end, {role = "guard", name = "no-zero"})

return prices
