-- A file server that only reads: tools that do not say that they only read are neither shown nor called, and
-- secrets stay where they are.
--
--     hookpoint mcp --policy read_only.lua -- npx -y @modelcontextprotocol/server-filesystem /srv

Hook.register("tool.discover", function(ctx)
    local tool = ctx.args.definition
    local hints = tool and tool.annotations
    if not (hints and hints.readOnlyHint) then
        return Result.cancel("this session only reads")
    end
end, {role = "guard", name = "only-readers"})

local SECRET = {"%.env$", "%.pem$", "/%.ssh/", "id_rsa"}

-- Every text among the arguments may be a path, whatever the tool calls it.
local function secret(value)
    if type(value) == "string" then
        for _, pattern in SECRET do
            if string.find(value, pattern) then return value end
        end
    elseif type(value) == "table" then
        for _, inner in value do
            local found = secret(inner)
            if found then return found end
        end
    end
    return nil
end

Hook.register("tool.execute", function(ctx)
    local found = secret(ctx.args.params)
    if found then
        return Result.cancel(`{found} is not for this session; ask for another file`)
    end
end, {role = "guard", name = "no-secrets"})

-- A server that asks the client's model, or its user, could be told what it may not read.
Hook.register("mcp.request", function(ctx)
    if ctx.args.from == "server" and ctx.component ~= "ping" and ctx.component ~= "roots/list" then
        return Result.cancel("this server asks for nothing")
    end
end, {role = "guard", name = "servers-do-not-ask"})
