-- Attend puts a job among those that wait for the end of another, unless that has
-- ended.
-- ARGV: id of the other, id of the job that waits
-- Returns the state of the other, '' if there is no such job.
local id, dependent = ARGV[1], ARGV[2]
local head = read_head(id)
if not head then return '' end
if not terminal[head[STATE]] then
  redis.call('ZADD', dependents_key(id), 0, dependent)
  if not string.find(head[LINKS], 'd', 1, true) then
    head[LINKS] = 'd' .. head[LINKS]
    write_head(id, head)
  end
end
return head[STATE]
