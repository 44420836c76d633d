-- Mend notes that a probe has gone well, which ends the pause of its lane: that its
-- create was accepted, unless it was responses that failed, and then that its
-- response has ended well. When the lane resumed is kept for some days.
-- ARGV: now, try, who tells ('create' or 'response'), leased until when the
--       response is waited for, for how many seconds to keep when it resumed
-- Returns the verdict and the pause, which is the one that is over if it is.
local now, try, by, lease, kept = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local f = redis.call('HMGET', base, 'class', 'by', 'probe', 'probe:' .. try)
if not f[1] then return pause_and('closed') end
if not f[4] then return pause_and('paused') end
if by == 'create' and f[2] == 'response' then
  if f[3] == try then redis.call('HSET', base, 'lease', lease) end
  return pause_and('paused')
end
local over = pause_and('resumed')
redis.call('DEL', base)
redis.call('HSET', base, 'resumed', now)
redis.call('EXPIRE', base, kept)
return over
