-- Claim hints takes the due hints of an endpoint and leases them. Leases end in odd
-- milliseconds, as those of jobs do: so it is known what workers in a row have
-- neither finished nor given back. After as many as given it is dropped, since it may
-- be what ended them. The ordinary looks at its response remain, which guard against
-- that.
-- ARGV: endpoint, now, leased until, limit, lapses in a row that are enough
-- Returns three values for each: the response, how often it has been claimed, and how
-- many claims in a row have lapsed.
local endpoint, now, lease, limit, enough = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local due, tries, lapses = base .. 'due:' .. endpoint, base .. 'tries:' .. endpoint, base .. 'lapses:' .. endpoint
local out = {}
local hints = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
for i = 1, #hints, 2 do
  local response, lapsed = hints[i], 0
  if tonumber(hints[i + 1]) % 2 == 1 then lapsed = redis.call('HINCRBY', lapses, response, 1) end
  if lapsed >= enough then
    redis.call('ZREM', due, response)
    redis.call('HDEL', tries, response)
    redis.call('HDEL', lapses, response)
  else
    out[#out + 1] = response
    out[#out + 1] = redis.call('HINCRBY', tries, response, 1)
    out[#out + 1] = lapsed
    redis.call('ZADD', due, lease, response)
  end
end
return out
