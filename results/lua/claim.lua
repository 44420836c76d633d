-- Claim takes what is due, and leases it: whoever claims next gets it only
-- after the lease has run out, or when it has been put back earlier. What is of
-- a newer schema is left, unleased, to a worker that can read it; a thousand of
-- those hide nothing that comes after them.
-- ARGV: set ('due' or 'looks'), now, leased until, limit, schema
-- Returns the number left alone, then id, record and head of each claimed job.
local due, now, lease = base .. ARGV[1], ARGV[2], ARGV[3]
local limit, schema = tonumber(ARGV[4]), ARGV[5]
local out, claimed, left = { 0 }, 0, 0
while claimed < limit and left < 1000 do
  local ids = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', left, limit - claimed)
  if #ids == 0 then break end
  for _, id in ipairs(ids) do
    local f = redis.call('HMGET', job_key(id), 'record', 'head')
    if not f[2] then
      redis.call('ZREM', due, id)
    elseif newer(string.match(f[2], '^%d+'), schema) then
      left = left + 1
    else
      redis.call('ZADD', due, lease, id)
      claimed = claimed + 1
      out[#out + 1] = id
      out[#out + 1] = f[1]
      out[#out + 1] = f[2]
    end
  end
end
out[1] = left
return out
