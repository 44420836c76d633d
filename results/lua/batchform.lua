-- Batchform makes a batch of lines that wait for one, the longest waiting first.
-- ARGV: model, now, how many lines and bytes at most, record
-- Returns the number of the batch, 0 if no line waits, how many lines it has, and their bytes.
local model, now, max_lines, max_bytes, record = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local ids = redis.call('ZRANGEBYSCORE', open_key(model), '-inf', now, 'LIMIT', 0, max_lines)
if #ids == 0 then return { 0, 0, 0 } end
local n = redis.call('INCR', base .. 'seq')
local count, size = 0, 0
for _, id in ipairs(ids) do
  local line = read_line(id)
  if not line then
    redis.call('ZREM', open_key(model), id)
  else
    local bytes = tonumber(line.bytes)
    if count > 0 and size + bytes > max_bytes then break end
    close(id, line)
    line.batch = tostring(n)
    write_line(id, line)
    redis.call('ZADD', members_key(n), 0, id)
    count, size = count + 1, size + bytes
  end
end
if count == 0 then return { 0, 0, 0 } end
redis.call('HSET', base .. 'batch:' .. n, 'record', record, 'version', 1, 'lines', count, 'bytes', size)
redis.call('ZADD', base .. 'batches', now, n)
return { n, count, size }
