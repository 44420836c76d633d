-- Orphans makes due at once what a worker had in hand that is gone: what it had
-- claimed, which the fraction of the lease tells, what is in its lanes' queues, for
-- a task that it fetched is lost, and the intents, whose worker is looked for then.
-- Who lives has its own claims left, and is sent some tasks twice, which do nothing.
-- ARGV: now, due at once (odd: it was claimed and not finished), the latest end of a
--       lease, fraction, then the name of each set of looks or steps
-- Returns how many were made due.
local now, freed, latest, fraction = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local due, n = base .. 'due', 0

local function free(set)
  local list, some = redis.call('ZRANGEBYSCORE', set, '(' .. now, latest, 'WITHSCORES'), false
  for i = 1, #list, 2 do
    local score = tonumber(list[i + 1])
    if score - math.floor(score) == fraction then
      redis.call('ZADD', set, freed, list[i])
      n, some = n + 1, true
    end
  end
  if some then poke(set) end
end

-- advance makes due what is in a list and that nobody has claimed.
local function advance(list)
  local some = false
  for _, id in ipairs(redis.call('ZRANGE', list, 0, 999)) do
    local score = tonumber(redis.call('ZSCORE', due, id) or now)
    if score > tonumber(now) and score == math.floor(score) then
      redis.call('ZADD', due, now, id)
      n, some = n + 1, true
    end
  end
  if some then poke(due) end
end

free(due)
for i = 5, #ARGV do free(base .. ARGV[i]) end
for _, stream in ipairs(streams()) do
  advance(list_key('submitting', stream))
  advance(waiting_key('admitted', string.sub(stream, string.find(stream, ':', 1, true) + 1)))
end
return n
