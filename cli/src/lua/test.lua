-- describe, it and expect, for files that `hookpoint lua test` runs. Tests run where they stand, one after another.
local results, names = {}, {}
local around = {{before = {}, after = {}}}

function describe(name, body)
    table.insert(names, name)
    table.insert(around, {before = {}, after = {}})
    local ok, why = pcall(body)
    table.remove(around)
    local full = table.concat(names, " ")
    table.remove(names)
    if not ok then table.insert(results, {name = full, ok = false, error = tostring(why)}) end
end

function before_each(body) table.insert(around[#around].before, body) end
function after_each(body) table.insert(around[#around].after, body) end

function it(name, body)
    table.insert(names, name)
    local full = table.concat(names, " ")
    table.remove(names)
    local ok, why = pcall(function()
        for _, level in around do
            for _, before in level.before do before() end
        end
        body()
    end)
    for at = #around, 1, -1 do
        for _, after in around[at].after do
            local cleaned, wrong = pcall(after)
            if ok and not cleaned then ok, why = false, wrong end
        end
    end
    table.insert(results, {name = full, ok = ok, error = if ok then nil else tostring(why)})
end

local function show(value)
    if type(value) == "string" then return string.format("%q", value) end
    if type(value) ~= "table" then return tostring(value) end
    local ok, json = pcall(Json.encode, value)
    return if ok then json else tostring(value)
end

local function same(a, b)
    if a == b then return true end
    if type(a) ~= "table" or type(b) ~= "table" then return false end
    for key, value in a do
        if not same(value, b[key]) then return false end
    end
    for key in b do
        if a[key] == nil then return false end
    end
    return true
end

local function contains(whole, part)
    if type(whole) == "string" then return whole:find(part, 1, true) ~= nil end
    for _, value in whole do
        if same(value, part) then return true end
    end
    return false
end

-- Each says whether it holds, and what it is called in a message.
local checks = {
    to_be = function(value, other) return value == other, "to be " .. show(other) end,
    to_equal = function(value, other) return same(value, other), "to equal " .. show(other) end,
    to_contain = function(value, part) return contains(value, part), "to contain " .. show(part) end,
    to_match = function(value, pattern) return string.find(value, pattern) ~= nil, "to match " .. show(pattern) end,
    to_be_nil = function(value) return value == nil, "to be nil" end,
    to_be_true = function(value) return value == true, "to be true" end,
    to_be_false = function(value) return value == false, "to be false" end,
    to_be_a = function(value, kind) return typeof(value) == kind, "to be a " .. kind end,
    to_fail = function(body, with)
        local ok, why = pcall(body)
        if ok then return false, "to fail" end
        local said = tostring(why)
        return with == nil or said:find(with, 1, true) ~= nil, "to fail with " .. show(with) .. "; it said " .. show(said)
    end,
}

function expect(value)
    local expectation, wanted = {}, true
    function expectation.never(self)
        wanted = not wanted
        return self
    end
    for name, check in checks do
        expectation[name] = function(_, ...)
            local holds, what = check(value, ...)
            if holds == wanted then return end
            error("expected " .. show(value) .. (if wanted then " " else " never ") .. what, 2)
        end
    end
    return setmetatable(expectation, {__index = function(_, name)
        local known = {"never"}
        for check in checks do table.insert(known, check) end
        table.sort(known)
        error(`expect: there is no {name}; there are: {table.concat(known, ", ")}`, 2)
    end})
end

function __results() return Json.array(results) end
