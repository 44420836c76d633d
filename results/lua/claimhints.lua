-- Claim hints takes the due hints of an endpoint and leases them. Leases end in odd
-- milliseconds, as those of jobs do: what two workers in a row have neither
-- finished nor given back is dropped, since it may be what ended them. The ordinary
-- looks at its response remain, which guard against that.
-- ARGV: endpoint, now, leased until, limit
-- Returns two values for each: the response, and how often it has been claimed.
local endpoint, now, lease, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local due, tries, lapses = base .. 'due:' .. endpoint, base .. 'tries:' .. endpoint, base .. 'lapses:' .. endpoint
local out = {}
local hints = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
for i = 1, #hints, 2 do
  local response, lapsed = hints[i], tonumber(hints[i + 1]) % 2 == 1
  if lapsed and redis.call('HINCRBY', lapses, response, 1) >= 2 then
    redis.call('ZREM', due, response)
    redis.call('HDEL', tries, response)
    redis.call('HDEL', lapses, response)
  else
    out[#out + 1] = response
    out[#out + 1] = redis.call('HINCRBY', tries, response, 1)
    redis.call('ZADD', due, lease, response)
  end
end
return out
