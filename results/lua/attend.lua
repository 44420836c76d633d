-- Attend puts a job among those that wait for the end of another, unless that has
-- ended; or among those that need an ended one to stay, which have nothing to be told.
-- ARGV: id of the other, id of the job that waits, '1' for one that needs it to stay,
--       and until when it does
-- Returns the state of the other, '' if there is no such job.
local id, dependent, needs, stays = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local head = read_head(id)
if not head then return '' end
if terminal[head[STATE]] then
  if needs == '1' then
    redis.call('ZADD', dependents_key(id), 0, dependent)
    local expires = redis.call('ZSCORE', base .. 'expire', id)
    if expires and tonumber(expires) < tonumber(stays) then redis.call('ZADD', base .. 'expire', stays, id) end
  end
else
  redis.call('ZADD', dependents_key(id), 0, dependent)
  if not string.find(head[LINKS], 'd', 1, true) then
    head[LINKS] = 'd' .. head[LINKS]
    write_head(id, head)
  end
end
return head[STATE]
