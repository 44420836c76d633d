-- Shared by the scripts about a budget. KEYS[1] is the base of its keys and carries its
-- hash tag. Amounts are billionths of a dollar, in whole numbers below 2^53.
local base = KEYS[1]
local state, held, open = base .. 'state', base .. 'held', base .. 'open'
local settled, doubt = base .. 'settled', base .. 'doubt'

local function whole(n) return string.format('%.0f', n) end

local function add(field, n) if n ~= 0 then redis.call('HINCRBY', state, field, whole(n)) end end

-- amount_of reads what stands behind the comma of an entry.
local function amount_of(entry) return tonumber(string.match(entry, ',(%-?%d+)$')) or 0 end

-- forget takes an entry of a hash away, and its amount off the sum of that.
local function forget(hash, field, try)
  local entry = redis.call('HGET', hash, try)
  if not entry then return end
  redis.call('HDEL', hash, try)
  add(field, -amount_of(entry))
end
