-- Shared by the scripts about an endpoint's batches. KEYS[1] is the base of its keys
-- and carries its hash tag; see batches.go for what is kept there.
local base = KEYS[1]

local function open_key(model) return base .. 'open:' .. model end
local function members_key(n) return base .. 'members:' .. n end

-- read_line returns a line, nil if there is none: its size, the batch that it is in, 0
-- for none, whether it is unwanted, and its model.
local function read_line(id)
  local text = redis.call('HGET', base .. 'lines', id)
  if not text then return nil end
  local bytes, batch, unwanted, model = string.match(text, '^(%d+) (%d+) (%d) (.*)$')
  return { bytes = bytes, batch = batch, unwanted = unwanted, model = model }
end

local function write_line(id, line)
  redis.call('HSET', base .. 'lines', id, table.concat({ line.bytes, line.batch, line.unwanted, line.model }, ' '))
end

-- open has a line wait for a batch, from a time on.
local function open(id, line, at)
  line.batch = '0'
  write_line(id, line)
  redis.call('ZADD', open_key(line.model), at, id)
  redis.call('SADD', base .. 'models', line.model)
end

-- close takes a line off those that wait.
local function close(id, line)
  redis.call('ZREM', open_key(line.model), id)
  if redis.call('ZCARD', open_key(line.model)) == 0 then redis.call('SREM', base .. 'models', line.model) end
end
