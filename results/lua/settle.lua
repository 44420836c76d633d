-- Settle puts claimed jobs back with their next due time and, for a look, the
-- counters of their looks. A job that has moved on meanwhile is left alone.
-- ARGV: five for each job: id, version, due ('' for none), looks ('' to leave),
--       nudge ('' to leave, else the least number to raise it to)
-- Returns for each job its nudge number if it was to be raised, else 0, and -1
-- for one that has moved on.
local out = {}
for i = 1, #ARGV, 5 do
  local id, version, due, looks, nudge = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local key, number = job_key(id), -1
  local f = redis.call('HMGET', key, 'version', 'nudge', 'state')
  if f[1] == version then
    put(due_key(f[3]), due, id)
    number = 0
    if looks ~= '' then redis.call('HSET', key, 'looks', looks) end
    if nudge ~= '' then
      -- Raised to a number, not by one: a repeated command raises it once.
      number = math.max(tonumber(f[2] or 0), tonumber(nudge))
      redis.call('HSET', key, 'nudge', string.format('%d', number))
    end
  end
  out[#out + 1] = number
end
return out
