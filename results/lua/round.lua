-- Round hands out the next part of the search for blobs whose job has no record,
-- to one worker at a time.
-- ARGV: now, leased until
-- Returns the key after which to search, or false if it is nobody's turn.
local key = base .. 'round'
local f = redis.call('HMGET', key, 'due', 'after')
if tonumber(f[1] or 0) > tonumber(ARGV[1]) then return false end
redis.call('HSET', key, 'due', ARGV[2])
return f[2] or ''
