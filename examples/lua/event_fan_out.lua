-- One event, several parts of a program: one answers, one counts, one takes only what concerns it.
--
--     hookpoint run examples/lua/event_fan_out.lua

local sold = 0

Event.subscribe("order.*", function(event) sold += event.data.count end)
Event.subscribe("order.tea", function(event) print("tea", event.data.count) end)
Event.subscribe("stock.left", function() return {left = 10 - sold} end)

Event.publish("order.tea", {count = 3})
Event.publish("order.salt", {count = 2})

-- Handlers run while the script waits: the answer counts what was published before it.
local left = 10
while left > 5 do left = Event.request("stock.left", {}).left end
print("left", left)
