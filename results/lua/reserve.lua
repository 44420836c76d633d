-- Reserve gives a request its time: the first at which it is within the rates of its
-- lane, as the generic cell rate algorithm has it, and takes a place among the
-- responses in flight. Nothing is taken for one that has to wait longer than it may, or
-- that finds no place. One that needs more tokens than there are in a minute takes
-- them all, and the provider decides. A repeated call takes its time twice, which
-- passes unused, and its place once.
-- ARGV: now, requests a minute, tokens a minute, most in flight, headroom (the share
--       of the rates that is used), burst (by how much a request may be early, so that
--       a lane at rest need not send one by one), tokens of the request, the longest
--       wait, member, end of its lease, time in which a cut heals, whether the lane is
--       paused by configuration ('1' or '0')
-- Returns a verdict ('granted', 'wait', 'full', 'paused') and the time at which the
-- request may be sent, or could be.
local now, headroom, burst, tokens = tonumber(ARGV[1]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local patience, member, lease, heal = tonumber(ARGV[8]), ARGV[9], ARGV[10], tonumber(ARGV[11])

local s = stand()
local rpm, tpm, most, paused = limits(s, now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[12])
if paused then return { 'paused', full(now) } end
if tpm > 0 then tokens = math.min(tokens, tpm) end
if most > 0 and not redis.call('ZSCORE', open, member) and redis.call('ZCARD', open) >= most then
  return { 'full', full(now) }
end

local at, part = math.max(now, s.hold), headroom * share(s, now, heal)
if rpm > 0 then at = math.max(at, s.due[1] - burst) end
if tpm > 0 then at = math.max(at, s.due[2] - burst) end
if at - now > patience then return { 'wait', full(at) } end

if rpm > 0 then redis.call('HSET', rates, 'requests', full(math.max(at, s.due[1]) + 60000 / (rpm * part))) end
if tpm > 0 then redis.call('HSET', rates, 'tokens', full(math.max(at, s.due[2]) + 60000 * tokens / (tpm * part))) end
if rpm > 0 or tpm > 0 then
  redis.call('HSET', rates, 'mean', full(0.95 * (tonumber(redis.call('HGET', rates, 'mean')) or tokens) + 0.05 * tokens))
  redis.call('HINCRBY', rates, 'granted', 1)
  redis.call('PEXPIRE', rates, keep)
end
if most > 0 then redis.call('ZADD', open, lease, member) end
return { 'granted', full(at) }
