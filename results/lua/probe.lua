-- Probe asks for a try to be the probe of a paused lane: one is, whenever its time
-- has come and no other is out.
-- ARGV: now, try, leased until
-- Returns the verdict and the pause.
local now, try, lease = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local f = redis.call('HMGET', base, 'class', 'probe_at', 'probe', 'lease')
if not f[1] then return pause_and('closed') end
if f[3] ~= try then
  if now < tonumber(f[2]) or f[3] and now < tonumber(f[4]) then return pause_and('paused') end
  redis.call('HINCRBY', base, 'probes', 1)
end
redis.call('HSET', base, 'probe', try, 'lease', lease, 'probe:' .. try, '1')
return pause_and('probe')
