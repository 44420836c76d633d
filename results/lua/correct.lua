-- Correct settles the tokens of a request: as many more than were reserved, or fewer.
-- ARGV: now, tokens a minute, headroom, more tokens (below 0: fewer), time in which a
--       cut heals
local now, headroom, more, heal = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local s = stand()
local _, tpm = limits(s, now, 0, tonumber(ARGV[2]), 0)
if tpm <= 0 then return 0 end
local due = math.max(s.due[2], now) + 60000 * more / (tpm * headroom * share(s, now, heal))
if due > now then redis.call('HSET', rates, 'tokens', full(due)) else redis.call('HDEL', rates, 'tokens') end
redis.call('PEXPIRE', rates, keep)
return 1
