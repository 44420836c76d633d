-- Hold keeps a part of a budget for an attempt, if it has room for it. One that is held
-- already stays as it is, so a repeated call does no harm.
-- ARGV: attempt, what it is taken to cost, amount of the budget, period, leased until,
--       time that the sums of the state are kept for, in milliseconds
-- Returns a verdict ('held', 'refused', or 'unread' if nobody has read yet what was
-- spent in the period), what was spent, what is held, and when what was spent was read.
local try, cost, amount, period, lease, keep = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local f = redis.call('HMGET', state, 'period', 'spent', 'settled', 'doubt', 'held', 'read')
local spent = (tonumber(f[2]) or 0) + (tonumber(f[3]) or 0) + (tonumber(f[4]) or 0)
local function answer(verdict)
  return { verdict, whole(spent), redis.call('HGET', state, 'held') or '0', f[6] or '0' }
end
if f[1] ~= period then return answer('unread') end
if not redis.call('HGET', held, try) then
  if spent + (tonumber(f[5]) or 0) + cost > amount then return answer('refused') end
  redis.call('HSET', held, try, 'h,' .. whole(cost))
  add('held', cost)
end
redis.call('ZADD', open, lease, try)
for _, key in ipairs({ state, held, open }) do redis.call('PEXPIRE', key, keep) end
return answer('held')
