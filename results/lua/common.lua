-- Shared by every script. KEYS[1] is the base of one shard's keys and carries
-- its hash tag, so all that a script touches lives in one slot. Scripts move
-- values and never decode a record, a request or a response. Numbers that they
-- write are whole and below 2^53, which every server's Lua prints alike.
local base = KEYS[1]

local function job_key(id) return base .. 'job:' .. id end
local function state_key(state) return base .. 'state:' .. state end
local function group_state_key(state, group) return base .. 'groupstate:' .. state .. ':' .. group end
local function waiting_key(set, lane) return base .. set .. ':' .. lane end

-- set_state moves a job from one state's lists to another's; nil and false are
-- no state and no group.
local function set_state(id, group, from, to)
  if from then
    redis.call('ZREM', state_key(from), id)
    if group then redis.call('ZREM', group_state_key(from, group), id) end
  end
  if to then
    redis.call('ZADD', state_key(to), 0, id)
    if group then redis.call('ZADD', group_state_key(to, group), 0, id) end
  end
end

-- leave_lane takes a job out of all waiting sets of its lane.
local function leave_lane(id, lane)
  redis.call('ZREM', waiting_key('later', lane), id)
  redis.call('ZREM', waiting_key('ready', lane), id)
  redis.call('ZREM', waiting_key('admitted', lane), id)
end

-- put sets or removes a member: '' as a score removes it.
local function put(key, score, id)
  if score == '' then redis.call('ZREM', key, id) else redis.call('ZADD', key, score, id) end
end

-- due_key is the set in which a job of the state is due: looks have one of their
-- own, so that a provider that hangs delays nothing but looks.
local function due_key(state)
  if state == 'running' then return base .. 'looks' end
  return base .. 'due'
end

-- newer reports whether a record's schema is beyond what the caller knows.
local function newer(schema, known) return tonumber(schema or 0) > tonumber(known) end

-- owner returns the job that a dedupe key belongs to and its request's digest,
-- nil if there is none.
local function owner(dedupe)
  local value = redis.call('GET', base .. 'dedupe:' .. dedupe)
  if not value then return nil end
  local space = string.find(value, ' ', 1, true)
  return string.sub(value, 1, space - 1), string.sub(value, space + 1)
end

-- remove forgets a job and every trace of it in the shard.
local function remove(id)
  local key = job_key(id)
  local f = redis.call('HMGET', key, 'state', 'lane', 'kind', 'group', 'dedupe')
  local state, lane, kind, group, dedupe = f[1], f[2], f[3], f[4], f[5]
  if not state then return false end
  set_state(id, group, state, nil)
  leave_lane(id, lane)
  redis.call('ZREM', base .. 'lane:' .. lane, id)
  redis.call('ZREM', base .. 'kind:' .. kind, id)
  if group then redis.call('ZREM', base .. 'group:' .. group, id) end
  redis.call('ZREM', base .. 'due', id)
  redis.call('ZREM', base .. 'looks', id)
  redis.call('ZREM', base .. 'expire', id)
  redis.call('ZREM', base .. 'owing', id)
  if dedupe and owner(dedupe) == id then redis.call('DEL', base .. 'dedupe:' .. dedupe) end
  redis.call('UNLINK', key)
  return true
end
