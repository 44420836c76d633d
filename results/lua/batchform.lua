-- Batchform makes a batch of lines that wait for one, the longest waiting first, or adds a
-- page of them to one that has just been made so and that nobody has gone on with.
-- ARGV: model, now, how many lines and bytes at most, record, how many lines at once, number
--       of the batch ('' for a new one) and its version
-- Returns the number of the batch, 0 if no line waits, how many lines it has, their bytes,
-- its version, and 1 if there may be room for more.
local model, now, max_lines, max_bytes, record = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local page, n, version = tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])
local count, size, more = 0, 0, 1
if n ~= '' then
  local batch = redis.call('HMGET', base .. 'batch:' .. n, 'version', 'lines', 'bytes')
  if tonumber(batch[1]) ~= version then return { 0, 0, 0, 0, 0 } end
  count, size = tonumber(batch[2]), tonumber(batch[3])
end
local limit = math.min(page, max_lines - count)
local ids = redis.call('ZRANGEBYSCORE', open_key(model), '-inf', now, 'LIMIT', 0, limit)
if #ids == 0 then return { 0, 0, 0, 0, 0 } end
if n == '' then n = tostring(redis.call('INCR', base .. 'seq')) end
if #ids < limit or count + #ids >= max_lines then more = 0 end
for _, id in ipairs(ids) do
  local line = read_line(id)
  if not line then
    redis.call('ZREM', open_key(model), id)
  else
    local bytes = tonumber(line.bytes)
    if count > 0 and size + bytes > max_bytes then
      more = 0
      break
    end
    close(id, line)
    line.batch = n
    write_line(id, line)
    redis.call('ZADD', members_key(n), 0, id)
    count, size = count + 1, size + bytes
  end
end
if count == 0 then return { 0, 0, 0, 0, 0 } end
-- Who has read it as it was before does not go on with it.
redis.call('HSET', base .. 'batch:' .. n, 'record', record, 'version', version + 1, 'lines', count, 'bytes', size)
redis.call('ZADD', base .. 'batches', now, n)
return { tonumber(n), count, size, version + 1, more }
