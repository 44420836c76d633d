-- Linedrop says that nobody wants the answer to a line any more.
-- ARGV: id of the line
-- Returns unsent for one that waited, which goes; sent for one that is in a batch; or gone.
local id = ARGV[1]
local line = read_line(id)
if not line then return 'gone' end
if line.batch == '0' then
  close(id, line)
  redis.call('HDEL', base .. 'lines', id)
  return 'unsent'
end
if line.unwanted == '0' then
  line.unwanted = '1'
  write_line(id, line)
  redis.call('HINCRBY', base .. 'batch:' .. line.batch, 'unwanted', 1)
end
return 'sent'
