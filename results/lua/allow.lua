-- Allow hands out calls under a cap that all workers share, as many as fit (GCRA):
-- the key holds when all that was handed out is used up at the rate of the cap. A
-- command that the client repeats hands out again, so that less is used than may be,
-- and never more.
-- ARGV: now, calls a second, calls that may come at once, calls wanted
-- Returns how many are allowed.
local now, every, burst, want = tonumber(ARGV[1]) * 1000, 1e6 / tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local key = base .. 'until'
local used_up = math.max(tonumber(redis.call('GET', key) or 0), now)
local n = math.min(want, math.floor((now - used_up) / every + burst))
if n <= 0 then return 0 end
used_up = math.ceil(used_up + n * every)
redis.call('SET', key, string.format('%d', used_up), 'PX', string.format('%d', (used_up - now) / 1000 + 1000))
return n
