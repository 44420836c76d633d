-- Told takes those off a job's list of dependents that have been told of its end.
-- ARGV: id, then the id of each that was told
-- Returns how many are left.
local id = ARGV[1]
for i = 2, #ARGV do redis.call('ZREM', dependents_key(id), ARGV[i]) end
local left = redis.call('ZCARD', dependents_key(id))
local head = left == 0 and read_head(id)
if head and string.find(head[LINKS], 'd', 1, true) then
  head[LINKS] = string.gsub(head[LINKS], 'd', '')
  write_head(id, head)
end
return left
