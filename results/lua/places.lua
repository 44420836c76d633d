-- Places leases the places in flight whose lease is over to whoever asks, to find out
-- whether their responses still are.
-- ARGV: now, leased until, limit
-- Returns the members.
local members = redis.call('ZRANGEBYSCORE', open, '-inf', ARGV[1], 'LIMIT', 0, tonumber(ARGV[3]))
for _, member in ipairs(members) do redis.call('ZADD', open, ARGV[2], member) end
return members
