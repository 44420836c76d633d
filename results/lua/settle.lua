-- Settle puts claimed jobs back with their next due time and, for a look, the
-- counters of their looks. A job that has moved on meanwhile is left alone.
-- ARGV: now, then five for each job: id, version, due ('' for none), looks ('' to leave),
--       nudge ('' to leave, else the least number to raise it to)
-- Returns for each job its nudge number if it was to be raised, else 0, and -1
-- for one that has moved on.
local now, out, given_back = ARGV[1], {}, {}
for i = 2, #ARGV, 5 do
  local id, version, due, looks, nudge = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local head, number = read_head(id), -1
  if head and head[VERSION] == version then
    put(due_key(head), due, id)
    if due ~= '' and tonumber(due) <= tonumber(now) then given_back[due_key(head)] = true end
    number = 0
    if looks ~= '' then head[LOOKS] = looks end
    if looks ~= '' or nudge ~= '' then head[LAPSED], head[ALONE] = '', '' end
    if nudge ~= '' then
      -- Raised to a number, not by one: a repeated command raises it once.
      number = math.max(tonumber(head[NUDGE]) or 0, tonumber(nudge))
      head[NUDGE] = string.format('%d', number)
    end
    if looks ~= '' or nudge ~= '' then write_head(id, head) end
  end
  out[#out + 1] = number
end
for key in pairs(given_back) do poke(key) end
return out
