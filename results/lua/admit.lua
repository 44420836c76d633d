-- Admit takes jobs of a lane whose time has come, the highest priority and then
-- the oldest first, until as many as the window allows are admitted. An
-- admitted job is in the due set: if its task is lost, the watchdog sees it.
-- When Redis is full nothing is admitted: what it would bring could not be kept.
-- So that the server refuses the first write and nothing is half done, what adds
-- comes before what takes away.
-- What is of a newer schema goes back for a minute, to a worker that can read it.
-- ARGV: lane, now, window (0 to learn what there is), overdue at, schema, back until,
--       '1' to fill the window at once, '' to do so a quarter at a time
-- Returns when to ask again: a time, 'full' for when one of the admitted has gone
-- on, or '' for not before another job comes. Then how many were of a newer
-- schema, how many are admitted now, and the id and the next attempt of each that
-- was.
local lane, now, window, overdue = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local schema, back, at_once = ARGV[5], ARGV[6], ARGV[7]
local later, ready, admitted = waiting_key('later', lane), waiting_key('ready', lane), waiting_key('admitted', lane)
local left = 0

for _, id in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', now, 'LIMIT', 0, 1000)) do
  local head = read_head(id)
  if head and newer(head[SCHEMA], schema) then
    redis.call('ZADD', later, back, id)
    left = left + 1
  else
    if head then redis.call('ZADD', ready, head[RANK], id) end
    redis.call('ZREM', later, id)
  end
end

local out = { '', 0, 0 }
local room = window - redis.call('ZCARD', admitted)
-- While there are many, a quarter of the window is filled at a time: what is
-- admitted together is submitted together.
if at_once ~= '1' and room < window / 4 then room = 0 end
for _, id in ipairs(room > 0 and redis.call('ZRANGE', ready, 0, room - 1) or {}) do
  local head = read_head(id)
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
  redis.call('ZREM', ready, id)
end
if redis.call('EXISTS', ready) == 1 then
  out[1] = 'full'
else
  out[1] = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')[2] or ''
end
out[2], out[3] = tostring(left), tostring(redis.call('ZCARD', admitted))
return out
