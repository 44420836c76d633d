-- Late goes through a page of the looks that are due in a set and that nobody may
-- come for, and claims those jobs that have to end all the same: the deadline has
-- passed, or a stop is on record. The others stay as they are, for a worker that
-- can look at them.
-- ARGV: now, leased until, schema, set, first rank, number
-- Returns the number left because of a newer schema, id, record and head of each
-- claimed job, and at last the number looked at.
local now, lease, schema = ARGV[1], ARGV[2], ARGV[3]
local due, first, number = base .. ARGV[4], ARGV[5], ARGV[6]
local out, left = { 0 }, 0
local ids = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', first, number)
for _, id in ipairs(ids) do
  local head = read_head(id)
  local deadline = head and head[DEADLINE]
  if not head or deadline ~= '' and tonumber(deadline) <= tonumber(now) then
    if claim(id, due, lease, schema, out) == false then left = left + 1 end
  end
end
out[1] = left
out[#out + 1] = #ids
return out
