-- Trip pauses a lane whose account is at fault, or notes that the probe of a
-- paused one has failed, or told nothing. What happened to an attempt from before
-- the lane resumed last says nothing about the account as it is.
-- ARGV: now, try, who told ('create' or 'response'), class ('' if it told
--       nothing), message, when the attempt began, the first wait before a probe
--       and the longest, and by how much in a thousand this one is longer
-- Returns the verdict and the pause.
local now, try, by, class, message, began = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local first, most, more = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

-- The waits double with every probe that failed.
local function next_probe(failed)
  local wait = math.min(first * 2 ^ math.min(failed, 20), most)
  return string.format('%d', tonumber(now) + math.floor(wait * (1000 + more) / 1000))
end

local f = redis.call('HMGET', base, 'class', 'resumed', 'teller', 'news', 'probe', 'failed', 'probe:' .. try)
if not f[1] then
  if class == '' or tonumber(began) < tonumber(f[2] or 0) then return pause_and('closed') end
  redis.call('DEL', base)
  redis.call('HSET', base, 'class', class, 'message', message, 'since', now, 'by', by, 'probes', '0', 'failed', '0',
    'probe_at', next_probe(0), 'teller', by .. ':' .. try, 'news', 'opened')
  return pause_and('opened')
end
-- The client sent the same trip again after its answer was lost.
if class ~= '' and f[3] == by .. ':' .. try then return pause_and(f[4]) end
-- Only probes tell anything about the account as it is by now.
if not f[7] then return pause_and('paused') end
redis.call('HDEL', base, 'probe:' .. try)
if f[5] == try then
  local failed = tonumber(f[6])
  if class ~= '' then failed = failed + 1 end
  redis.call('HDEL', base, 'probe', 'lease')
  redis.call('HSET', base, 'failed', string.format('%d', failed), 'probe_at', next_probe(class ~= '' and failed or 0))
end
if class == '' then return pause_and('paused') end
redis.call('HSET', base, 'message', message)
if class == f[1] then return pause_and('paused') end
-- Somebody is at it: the waits begin anew.
redis.call('HSET', base, 'class', class, 'teller', by .. ':' .. try, 'news', 'changed')
if f[5] == try then redis.call('HSET', base, 'failed', '0', 'probe_at', next_probe(0)) end
return pause_and('changed')
