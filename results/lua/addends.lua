-- AddEnds adds to what is known of how long responses take. A sort that holds as
-- many ends as are remembered counts each half from then on; of too many sorts, the
-- one goes that has had none for longest.
-- ARGV: nonce, now, weight of an end, ends remembered, the most sorts, then for each
--       sort: its name, the number of its buckets, and bucket and ends of each
-- Returns 1, or 0 for a batch that is in already.
local nonce, now, weight, memory, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local nonces, key = redis.call('GET', base .. 'nonces') or '', base .. 'ends'
-- go-redis repeats a command whose answer was lost.
if string.find(nonces, nonce, 1, true) then return 0 end
redis.call('SET', base .. 'nonces', string.sub(nonce .. ',' .. nonces, 1, 64 * 17 - 1), 'EX', 3600)

local i = 6
while i <= #ARGV do
  local sort, n = ARGV[i], tonumber(ARGV[i + 1])
  local counts, total, order = {}, 0, {}
  local function add(bucket, count)
    if not counts[bucket] then
      counts[bucket] = 0
      order[#order + 1] = bucket
    end
    counts[bucket] = counts[bucket] + count
    total = total + count
  end
  for bucket, count in string.gmatch(redis.call('HGET', key, sort) or '', ' (%d+):(%d+)') do
    add(tonumber(bucket), tonumber(count))
  end
  for k = i + 2, i + 1 + 2 * n, 2 do add(tonumber(ARGV[k]), weight * tonumber(ARGV[k + 1])) end
  while total >= weight * memory do
    total = 0
    for bucket, count in pairs(counts) do
      counts[bucket] = math.floor(count / 2)
      total = total + counts[bucket]
    end
  end
  table.sort(order)
  local value = { now }
  for _, bucket in ipairs(order) do
    if counts[bucket] > 0 then value[#value + 1] = string.format('%d:%d', bucket, counts[bucket]) end
  end
  redis.call('HSET', key, sort, table.concat(value, ' '))
  i = i + 2 + 2 * n
end

for _ = most + 1, redis.call('HLEN', key) do
  local all, oldest, since = redis.call('HGETALL', key), nil, math.huge
  for k = 1, #all, 2 do
    local at = tonumber(string.match(all[k + 1], '^%d+'))
    if at < since then oldest, since = all[k], at end
  end
  redis.call('HDEL', key, oldest)
end
return 1
