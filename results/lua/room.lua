-- Room tells how many requests a lane could send before a given time, as far as its
-- limits go, and how it stands.
-- ARGV: now, requests a minute, tokens a minute, most in flight, headroom, burst, until,
--       time in which a cut heals, whether the lane is paused by configuration ('1' or '0')
-- Returns the number (-1: any), whether it is paused by hand or by configuration ('1' or '0'), the limits
-- in force of requests, tokens and responses in flight (0: none), those that the
-- provider has told of requests and tokens, the share that a cut leaves, how many
-- places are taken, until when everything is held back, how many were granted and how
-- often the provider refused, why it is paused, and what was set of its weights.
local now, headroom, burst = tonumber(ARGV[1]), tonumber(ARGV[5]), tonumber(ARGV[6])
local till, heal = tonumber(ARGV[7]), tonumber(ARGV[8])
local s = stand()
local rpm, tpm, most, paused = limits(s, now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[9])
local f = redis.call('HMGET', rates, 'mean', 'granted', 'refused')
local part, taken, room = share(s, now, heal), redis.call('ZCARD', open), -1
local function bound(n) if room < 0 or n < room then room = math.max(0, n) end end
local from = math.max(now, s.hold)
if rpm > 0 then bound((till - math.max(from, s.due[1] - burst)) * rpm * headroom * part / 60000) end
local mean = tonumber(f[1]) or 0
if tpm > 0 and mean > 0 then bound((till - math.max(from, s.due[2] - burst)) * tpm * headroom * part / 60000 / mean) end
if room > 0 then room = math.max(1, room) end
if paused or s.hold > till then bound(0) end
if most > 0 then bound(most - taken) end
return {
  full(math.ceil(room)), paused and '1' or '0', full(rpm), full(tpm), full(most), full(s.limit[1]), full(s.limit[2]),
  full(part), full(taken), full(s.hold), f[2] or '0', f[3] or '0', redis.call('HGET', set, 'reason') or '',
  redis.call('HGET', set, 'priority_weights') or '',
}
