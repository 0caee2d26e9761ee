-- How `hookpoint lua repl` shows values.
local function text(value)
    if type(value) == "string" then return string.format("%q", value) end
    if type(value) ~= "table" then return tostring(value) end
    local ok, json = pcall(Json.encode, value)
    return if ok then json else tostring(value)
end
function __show(...)
    local count = select("#", ...)
    if count == 0 or (count == 1 and (...) == nil) then return end
    local texts = {}
    for at = 1, count do texts[at] = text((select(at, ...))) end
    print(table.concat(texts, "\t"))
end
