-- Lineleave takes lines out of a batch: for good, or to wait for another one. What nobody
-- wants any more goes for good.
-- ARGV: number of the batch, when they may be in another one, '' for never, then the lines
-- Returns how many are left in the batch.
local n, again = ARGV[1], ARGV[2]
for i = 3, #ARGV do
  local id = ARGV[i]
  local line = read_line(id)
  if line and line.batch == n then
    if again == '' or line.unwanted == '1' then
      redis.call('HDEL', base .. 'lines', id)
    else
      open(id, line, again)
    end
  end
  redis.call('ZREM', members_key(n), id)
end
return redis.call('ZCARD', members_key(n))
