-- Claim hints takes the due hints of an endpoint and leases them.
-- ARGV: endpoint, now, leased until, limit
-- Returns two values for each: the response, and how often it has been claimed.
local endpoint, now, lease, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local due, tries = base .. 'due:' .. endpoint, base .. 'tries:' .. endpoint
local out = {}
for _, response in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit)) do
  redis.call('ZADD', due, lease, response)
  out[#out + 1] = response
  out[#out + 1] = redis.call('HINCRBY', tries, response, 1)
end
return out
