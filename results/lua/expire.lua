-- Expire forgets ended jobs whose retention is over. One that still owes an effect is
-- kept for another hour, and so on; the first time, its score among those that owe
-- something becomes when that ends, for a debt may be to an endpoint that is gone.
-- ARGV: now, limit, kept until, end of the debts that are found now
-- Returns the number forgotten, then id and record of each whose debts were given up.
local now, limit, kept, last = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local owing, expire = base .. 'owing', base .. 'expire'
local out = { 0 }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', expire, '-inf', now, 'LIMIT', 0, limit)) do
  local debts = redis.call('ZSCORE', owing, id)
  local ends = tonumber(debts or now)
  if ends == 0 then redis.call('ZADD', owing, last, id) end
  if ends == 0 or ends > now then
    redis.call('ZADD', expire, kept, id)
  else
    local record = debts and redis.call('HGET', job_key(id), 'record')
    if not remove(id) then
      redis.call('ZREM', expire, id)
    else
      out[1] = out[1] + 1
      if record then
        out[#out + 1] = id
        out[#out + 1] = record
      end
    end
  end
end
return out
