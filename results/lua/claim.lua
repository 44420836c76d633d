-- Claim takes what is due in some sets, and leases it: whoever claims next gets it
-- only after the lease has run out, or when it has been put back earlier. What is
-- of a newer schema is left, unleased, to a worker that can read it; a thousand of
-- those in a set hide nothing that comes after them.
-- Leases end in odd milliseconds and nothing else is due in one: a look that is due
-- in one was claimed by a worker that neither finished nor gave it back, and so is a
-- step of a parent. How often that happened in a row is kept with the job. The fraction of a lease tells whose
-- it is, see orphans.lua.
-- ARGV: now, leased until, schema, then the name of each set and its limit
-- Returns the number left alone, when the next is due in each set ('' for never),
-- then id, record and head of each claimed job.
local now, lease, schema = ARGV[1], ARGV[2], ARGV[3]
local out, all_left = { 0 }, 0
for i = 4, #ARGV, 2 do out[#out + 1] = '' end
for i = 4, #ARGV, 2 do
  local due, limit = base .. ARGV[i], tonumber(ARGV[i + 1])
  local counted = string.sub(ARGV[i], 1, 5) == 'looks' or string.sub(ARGV[i], 1, 5) == 'plans'
  local claimed, left = 0, 0
  while claimed < limit and left < 1000 do
    local ids = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', left, limit - claimed)
    if #ids == 0 then break end
    for k = 1, #ids, 2 do
      local done = claim(ids[k], due, lease, schema, out, counted and math.floor(tonumber(ids[k + 1])) % 2 == 1)
      if done then
        claimed = claimed + 1
      elseif done == false then
        left = left + 1
      end
    end
  end
  all_left = all_left + left
  out[i / 2] = redis.call('ZRANGE', due, left, left, 'WITHSCORES')[2] or ''
end
out[1] = all_left
return out
