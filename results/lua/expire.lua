-- Expire forgets ended jobs whose retention is over. One that still owes an
-- effect is kept for another hour.
-- ARGV: now, limit, kept until
-- Returns the number forgotten.
local now, limit, kept = ARGV[1], ARGV[2], ARGV[3]
local forgotten = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. 'expire', '-inf', now, 'LIMIT', 0, limit)) do
  if redis.call('ZSCORE', base .. 'owing', id) then
    redis.call('ZADD', base .. 'expire', kept, id)
  elseif remove(id) then
    forgotten = forgotten + 1
  else
    redis.call('ZREM', base .. 'expire', id)
  end
end
return forgotten
