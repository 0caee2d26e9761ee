//! Functions of Luau's library that could run for minutes without a step at which a script can be interrupted.
//!
//! Luau asks for an interrupt at loops, calls and steps of a pattern match. A search for plain text, `string.split`,
//! `string.rep` of nothing, `table.move` and `table.sort` without a comparison of the script's own have none, and
//! their work grows faster than the memory they need. Here each does the same in parts, with steps between them; the
//! parts take some milliseconds. What is small goes to Luau's own function.

use mlua::Lua;

use crate::bind::CHUNK;

const REPLACED: &str = r#"
local find, rep, split, sub = string.find, string.rep, string.split, string.sub
local move, sort = table.move, table.sort
local error, max, type = error, math.max, type

-- Comparisons of bytes that are made without a step: some milliseconds.
local COMPARISONS = 2 ^ 25
-- Elements that are moved, or sorted by Luau's own comparison, without a step.
local ELEMENTS = 100000

local function long(s, pattern)
    return type(s) == "string" and type(pattern) == "string" and #s * #pattern > COMPARISONS
end

local function is_plain(pattern)
    return not find(pattern, "[%^%$%*%+%?%.%(%)%[%]%%%-]")
end

-- Looks at as many places at a time as COMPARISONS allows.
local function search(s, text, from)
    local places = max(1, COMPARISONS // #text)
    while from <= #s - #text + 1 do
        local at = find(sub(s, from, from + places + #text - 2), text, 1, true)
        if at then return from + at - 1, from + at + #text - 2 end
        from += places
    end
    return nil
end

function string.find(s, pattern, init, plain)
    if long(s, pattern) and (plain or is_plain(pattern)) then
        local from = if type(init) == "number" then init else 1
        if from < 0 then from += #s + 1 end
        return search(s, pattern, max(1, from))
    end
    return find(s, pattern, init, plain)
end

function string.split(s, separator)
    if not long(s, separator) then return split(s, separator) end
    local parts, from = {}, 1
    while true do
        local first, last = search(s, separator, from)
        if not first then
            parts[#parts + 1] = sub(s, from)
            return parts
        end
        parts[#parts + 1] = sub(s, from, first - 1)
        from = last + 1
    end
end

function string.rep(s, n)
    if s == "" then n = 0 end
    return rep(s, n)
end

function table.move(from, first, last, to, into)
    if type(first) == "number" and type(last) == "number" and last - first >= ELEMENTS then
        error(`table.move: {last - first + 1} elements are too many for one move; move at most {ELEMENTS} at a time`, 2)
    end
    if into == nil then into = from end
    return move(from, first, last, to, into)
end

local function less(a, b) return a < b end

function table.sort(t, before)
    if before == nil and type(t) == "table" and #t > ELEMENTS then before = less end
    if before == nil then return sort(t) end
    return sort(t, before)
end
"#;

/// Puts them in the place of Luau's. To be called before the libraries are made read only.
pub(crate) fn install(lua: &Lua) -> mlua::Result<()> {
    lua.load(REPLACED).set_name(format!("={CHUNK}")).exec()
}
