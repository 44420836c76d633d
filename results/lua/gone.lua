-- Gone takes notes of jobs that are gone while their blobs may be there, those
-- whose turn has come first, and leases them: one whose blobs could not be
-- deleted comes back.
-- ARGV: now, leased until, limit
-- Returns the ids.
local ids = redis.call('ZRANGEBYSCORE', base .. 'gone', '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do redis.call('ZADD', base .. 'gone', ARGV[2], id) end
return ids
