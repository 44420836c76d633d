-- Admit takes jobs of a lane whose time has come until as many as the window allows
-- are admitted. The tenants of the lane take turns, one job each. Of a tenant's jobs
-- the oldest of a priority goes first, and its priorities go as often as they weigh:
-- each begins one divided by its weight away from its turn, the nearest goes next, and
-- the others come nearer by as much as that was away. An admitted job is in the due
-- set: if its task is lost, the watchdog sees it.
-- When Redis is full nothing is admitted: what it would bring could not be kept.
-- So that the server refuses the first write and nothing is half done, what adds
-- comes before what takes away.
-- What is of a newer schema goes back for a minute, to a worker that can read it.
-- ARGV: lane, now, window (0 to learn what there is), overdue at, schema, back until,
--       '1' to fill the window at once, '' to do so a quarter at a time, what the
--       priorities weigh, from 0 to 9, with a space between two
-- Returns when to ask again: a time, 'full' for when one of the admitted has gone
-- on, or '' for not before another job comes. Then how many were of a newer
-- schema, how many are admitted now, and the id and the next attempt of each that
-- was.
local lane, now, window, overdue = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local schema, back, at_once, weights = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local later, admitted = waiting_key('later', lane), waiting_key('admitted', lane)
local turns, bands = waiting_key('turns', lane), waiting_key('bands', lane)
local left = 0

for _, id in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', now, 'LIMIT', 0, 1000)) do
  local head = read_head(id)
  if head and newer(head[SCHEMA], schema) then
    redis.call('ZADD', later, back, id)
    left = left + 1
  else
    if head then
      redis.call('ZADD', ready_key(lane, head[TENANT]), head[RANK], id)
      take_turns(lane, head[TENANT])
    end
    redis.call('ZREM', later, id)
  end
end
-- What was ready before there were turns takes part in them.
if redis.call('EXISTS', ready_key(lane, '')) == 1 then take_turns(lane, '') end

-- far is how far a band of priority is from its turn at most: the higher the priority
-- the lower its band.
local far, priority = {}, 0
for weight in string.gmatch(weights, '%d+') do
  far[9 - priority] = math.floor(1000000 / tonumber(weight))
  priority = priority + 1
end

-- oldest returns the bands that a tenant has ready jobs in, and the oldest of each.
local function oldest(ready)
  local found, width, from = {}, 2 ^ 42, 0
  while true do
    local first = redis.call('ZRANGEBYSCORE', ready, string.format('%.0f', from), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not first[1] then return found end
    local band = math.floor(tonumber(first[2]) / width)
    found[#found + 1] = { band = band, id = first[1] }
    from = (band + 1) * width
  end
end

-- next_of chooses among a tenant's bands, and returns the job and how far from their
-- turns the bands are after it, '' if there is nothing to choose.
local function next_of(tenant, found)
  if #found == 1 then return found[1].id, '' end
  local known, chosen = {}, nil
  for band, distance in string.gmatch(redis.call('HGET', bands, tenant) or '', '(%d+)=(%d+)') do
    known[tonumber(band)] = tonumber(distance)
  end
  for _, f in ipairs(found) do
    f.distance = known[f.band] or far[f.band]
    if not chosen or f.distance < chosen.distance then chosen = f end
  end
  local after, gone = {}, chosen.distance
  for i, f in ipairs(found) do
    local distance = f.distance - gone
    if f == chosen then distance = far[f.band] end
    after[i] = string.format('%d=%d', f.band, distance)
  end
  return chosen.id, table.concat(after, ' ')
end

local out = { '', 0, 0 }
local room = window - redis.call('ZCARD', admitted)
-- While there are many, a quarter of the window is filled at a time: what is
-- admitted together is submitted together.
if at_once ~= '1' and room < window / 4 then room = 0 end
while room > 0 do
  local tenant = redis.call('ZRANGE', turns, 0, 0)[1]
  if not tenant then break end
  local ready = ready_key(lane, tenant)
  local found = oldest(ready)
  local ids, after = {}, ''
  if #found == 1 and redis.call('ZCARD', turns) == 1 then
    ids = redis.call('ZRANGE', ready, 0, room - 1) -- nobody to take turns with
  elseif #found > 0 then
    ids[1], after = next_of(tenant, found)
  else
    forget_turns(lane, tenant)
  end
  for _, id in ipairs(ids) do
    local head = read_head(id)
    room = room - 1
    if head and newer(head[SCHEMA], schema) then
      redis.call('ZADD', later, back, id)
      left = left + 1
    elseif head then
      head[ADMITTED] = now
      write_head(id, head)
      redis.call('ZADD', admitted, now, id)
      local due, deadline = overdue, head[DEADLINE]
      if deadline ~= '' and tonumber(deadline) < tonumber(due) then due = deadline end
      redis.call('ZADD', base .. 'due', due, id)
      out[#out + 1] = id
      out[#out + 1] = head[NEXT]
    end
    if leave_ready(id, lane, tenant) and #ids == 1 then
      redis.call('ZADD', turns, 'INCR', 1, tenant)
      if after ~= '' then redis.call('HSET', bands, tenant, after) else redis.call('HDEL', bands, tenant) end
    end
  end
end
if redis.call('EXISTS', turns) == 1 then
  out[1] = 'full'
else
  out[1] = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')[2] or ''
end
out[2], out[3] = tostring(left), tostring(redis.call('ZCARD', admitted))
return out
