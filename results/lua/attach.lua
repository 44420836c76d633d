-- Attach puts parts down as a parent's, and those that have not ended as what it waits
-- for, as long as it waits at all. A repeated command does no harm.
-- ARGV: id, now, when the parent asks for itself ('' to leave that), how often it has
--       done so in vain, then for each part: its place among all, its id, '1' if it
--       has not ended ('' if it has)
-- Returns the state of the parent, '' if there is no such job.
local id, now, ask, nudge = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local head = read_head(id)
if not head then return '' end
if head[STATE] ~= 'waiting' then return head[STATE] end
for i = 5, #ARGV, 3 do
  redis.call('ZADD', parts_key(id), ARGV[i], ARGV[i + 1])
  if ARGV[i + 2] == '1' then redis.call('ZADD', open_key(id), 0, ARGV[i + 1]) end
end
if ask ~= '' then
  -- The last of them may have ended in between, and nobody else will say so.
  if redis.call('ZCARD', open_key(id)) == 0 then ask = now end
  redis.call('ZADD', due_key(head), ask, id)
  if ask == now then poke(due_key(head)) end
  head[NUDGE], head[LAPSED] = nudge, ''
  write_head(id, head)
end
return head[STATE]
