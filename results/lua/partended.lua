-- Partended takes parts that have ended off what a parent waits for. With the last of
-- them the parent is due at once.
-- ARGV: id, now, then the id of each part
-- Returns how many are left.
local id, now = ARGV[1], ARGV[2]
local gone = 0
for i = 3, #ARGV do gone = gone + redis.call('ZREM', open_key(id), ARGV[i]) end
local left = redis.call('ZCARD', open_key(id))
if gone > 0 and left == 0 then
  local head = read_head(id)
  if head and head[STATE] == 'waiting' then
    head[NUDGE] = ''
    write_head(id, head)
    redis.call('ZADD', due_key(head), now, id)
    poke(due_key(head))
  end
end
return left
