-- Spend ends what a budget holds for an attempt that is over. What it has cost counts
-- here until what was spent is read again, and where nobody knows what it has cost, what
-- it was taken to cost counts to the end of the period. A repeated call changes nothing.
-- ARGV: attempt, how it ended ('cost', 'unknown', or 'none' if it cost nothing), its
--       cost, time that the entries are kept for, in milliseconds, the lease that it
--       must have ('' for any), today
-- Returns whether it was so.
local try, how, cost, keep, lease, today = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
if lease ~= '' and tonumber(redis.call('ZSCORE', open, try) or -1) ~= tonumber(lease) then return 0 end
local entry = redis.call('HGET', held, try)
forget(held, 'held', try)
redis.call('ZREM', open, try)
if how == 'unknown' then
  if entry then
    local estimate = amount_of(entry)
    redis.call('HSET', doubt, try, today .. ',' .. whole(estimate))
    add('doubt', estimate)
  end
else
  forget(doubt, 'doubt', try)
  forget(settled, 'settled', try)
end
if how == 'cost' then
  redis.call('HSET', settled, try, redis.call('HINCRBY', state, 'seq', 1) .. ',' .. whole(cost))
  add('settled', cost)
end
for _, key in ipairs({ state, settled, doubt }) do redis.call('PEXPIRE', key, keep) end
return 1
