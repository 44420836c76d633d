-- Lineleave takes lines out of a batch: for good, or to wait for another one. What nobody
-- wants any more goes for good, and counts for the batch no more.
-- ARGV: number of the batch, its version, when they may be in another one, '' for never, then the lines
-- Returns how many are left in the batch, -1 if another step came first.
local n, version, again = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', base .. 'batch:' .. n, 'version') ~= version then return -1 end
for i = 4, #ARGV do
  local id = ARGV[i]
  local line = read_line(id)
  if line and line.batch == n then
    if line.unwanted == '1' then redis.call('HINCRBY', base .. 'batch:' .. n, 'unwanted', -1) end
    if again == '' or line.unwanted == '1' then
      redis.call('HDEL', base .. 'lines', id)
    else
      open(id, line, again)
    end
  end
  redis.call('ZREM', members_key(n), id)
end
return redis.call('ZCARD', members_key(n))
