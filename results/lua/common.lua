-- Shared by every script. KEYS[1] is the base of one shard's keys and carries
-- its hash tag, so all that a script touches lives in one slot. Scripts move
-- values and never decode a record, a request or a response. Numbers that they
-- write are whole and below 2^53, which every server's Lua prints alike.
local base = KEYS[1]

local function job_key(id) return base .. 'job:' .. id end
local function list_key(state, stream) return base .. 'list:' .. state .. ':' .. stream end
local function group_state_key(state, group) return base .. 'groupstate:' .. state .. ':' .. group end
local function thread_key(hash) return base .. 'thread:' .. hash end
local function dependents_key(id) return base .. 'dependents:' .. id end
local function deltas_key(id) return base .. 'deltas:' .. id end
local function parts_key(id) return base .. 'parts:' .. id end
local function open_key(id) return base .. 'open:' .. id end
local function waiting_key(set, lane) return base .. set .. ':' .. lane end

-- The head of a job holds in one field what scripts and the store need beside
-- the record: these values in this order, with a space between two, '' for what
-- is not there. What a newer build put behind them stays.
local SCHEMA, VERSION, STATE, KIND, LANE, GROUP, DEDUPE = 1, 2, 3, 4, 5, 6, 7
local RANK, DEADLINE, NEXT, ADMITTED, NUDGE, NONCES, LOOKS = 8, 9, 10, 11, 12, 13, 14
local ENDPOINT, BLOBS, LAPSED, ALONE, TENANT, ASIDE, LINKS, THREAD = 15, 16, 17, 18, 19, 20, 21, 22
local head_size = THREAD

-- read_head returns a job's head, nil if there is no such job.
local function read_head(id)
  local text = redis.call('HGET', job_key(id), 'head')
  if not text then return nil end
  local head, n = {}, 0
  for value in string.gmatch(text .. ' ', '([^ ]*) ') do
    n = n + 1
    head[n] = value
  end
  for i = n + 1, head_size do head[i] = '' end
  return head
end

local function write_head(id, head) redis.call('HSET', job_key(id), 'head', table.concat(head, ' ')) end

-- stream_of names the stream of jobs of one kind and lane that a job is in. Lane
-- names may contain a colon, kinds do not.
local function stream_of(head) return head[KIND] .. ':' .. head[LANE] end

-- streams returns the names of all streams of the shard, in order.
local function streams()
  local names = redis.call('SMEMBERS', base .. 'streams')
  table.sort(names)
  return names
end

-- groups_of are the names under which a job is in lists of its group: parents have one
-- more, of their own kind, for a group holds their parts as well. Names of groups have
-- no slash in them.
local function groups_of(head)
  local group, kind = head[GROUP], head[KIND]
  if group == '' then return {} end
  if kind == 'response' then return { group } end
  return { group, group .. '/' .. kind }
end

-- set_state moves a job from one state's lists to another's; nil is no state.
local function set_state(id, head, from, to)
  local stream, groups = stream_of(head), groups_of(head)
  if from then
    redis.call('ZREM', list_key(from, stream), id)
    for _, group in ipairs(groups) do redis.call('ZREM', group_state_key(from, group), id) end
  end
  if to then
    redis.call('ZADD', list_key(to, stream), 0, id)
    for _, group in ipairs(groups) do redis.call('ZADD', group_state_key(to, group), 0, id) end
  end
end

-- ready_key is the set of a tenant's jobs in a lane whose time has come. Neither name
-- has a slash in it; jobs without a tenant have the set of the lane itself.
local function ready_key(lane, tenant)
  local key = waiting_key('ready', lane)
  if tenant == '' then return key end
  return key .. '/' .. tenant
end

-- take_turns has a tenant with ready jobs take part in the turns of its lane, after
-- whoever is next: so a new one waits for a round at most, and one that goes and comes
-- again never passes those that stayed. It returns false for one that does already.
local function take_turns(lane, tenant)
  local turns = waiting_key('turns', lane)
  if redis.call('ZSCORE', turns, tenant) then return false end
  local first = redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', turns, string.format('%.0f', (tonumber(first) or 0) + 1), tenant)
  return true
end

-- forget_turns takes a tenant without ready jobs out of the turns: nothing is left of
-- it.
local function forget_turns(lane, tenant)
  redis.call('ZREM', waiting_key('turns', lane), tenant)
  redis.call('HDEL', waiting_key('bands', lane), tenant)
end

-- leave_ready takes a job out of its tenant's ready ones, and the tenant out of the
-- turns if it has no more of them. It returns whether the tenant stays.
local function leave_ready(id, lane, tenant)
  local ready = ready_key(lane, tenant)
  redis.call('ZREM', ready, id)
  if redis.call('EXISTS', ready) == 1 then return true end
  forget_turns(lane, tenant)
  return false
end

-- leave_lane takes a waiting job out of its lane's sets; one that is admitted is in
-- that set alone.
local function leave_lane(id, head, admitted)
  local lane = head[LANE]
  if admitted ~= '' then
    redis.call('ZREM', waiting_key('admitted', lane), id)
  elseif redis.call('ZREM', waiting_key('later', lane), id) == 0 then
    leave_ready(id, lane, head[TENANT])
  end
end

-- parked_key is the set of the jobs that wait for room in a budget outside their lane,
-- by rank; nil for any other aside.
local function parked_key(aside)
  local budget = string.match(aside, '^1/(.+)$')
  return budget and base .. 'parked:' .. budget
end

-- put sets or removes a member: '' as a score removes it.
local function put(key, score, id)
  if score == '' then redis.call('ZREM', key, id) else redis.call('ZADD', key, score, id) end
end

-- poke tells the workers that something in a set is due at once, so that they
-- need not ask all the time. Who may not publish does without.
local function poke(key) redis.pcall('PUBLISH', string.match(base, '^(.*):{s%x+}:$') .. ':pokes', key) end

-- due_key is the set in which a job is due: looks have one for each endpoint, so
-- that a provider that hangs delays nothing but looks, and one that a worker does
-- not serve none of its own. The steps of parents have one for each kind, for they
-- take long, and not every worker may have the planner.
local function due_key(head)
  if head[STATE] == 'running' then return base .. 'looks:' .. head[ENDPOINT] end
  if head[ASIDE] == 'plan' then return base .. 'plans:' .. head[KIND] end
  return base .. 'due'
end

-- newer reports whether a record's schema is beyond what the caller knows.
local function newer(schema, known) return tonumber(schema or 0) > tonumber(known) end

-- claim leases a job that is due in a set, and appends id, record and head of it to
-- out. It returns false for one of a newer schema, which it leaves alone, and nil
-- for an entry without a job, which goes.
local function claim(id, due, lease, known, out, lapsed)
  local f = redis.call('HMGET', job_key(id), 'record', 'head')
  if not f[2] then
    redis.call('ZREM', due, id)
    return nil
  end
  if newer(string.match(f[2], '^%d+'), known) then return false end
  redis.call('ZADD', due, lease, id)
  if lapsed then
    local head = read_head(id)
    head[LAPSED] = string.format('%d', (tonumber(head[LAPSED]) or 0) + 1)
    write_head(id, head)
    f[2] = table.concat(head, ' ')
  end
  out[#out + 1] = id
  out[#out + 1] = f[1]
  out[#out + 1] = f[2]
  return true
end

-- owner returns the job that a dedupe key belongs to and its request's digest,
-- nil if there is none.
local function owner(dedupe)
  local value = redis.call('GET', base .. 'dedupe:' .. dedupe)
  if not value then return nil end
  local space = string.find(value, ' ', 1, true)
  return string.sub(value, 1, space - 1), string.sub(value, space + 1)
end

-- forget_stream takes a stream whose last job has gone off the shard's list.
local function forget_stream(stream)
  local lists = {}
  for i, state in ipairs(states) do lists[i] = list_key(state, stream) end
  if redis.call('EXISTS', unpack(lists)) == 0 then redis.call('SREM', base .. 'streams', stream) end
end

-- add_sums adds the numbers of a line of the ledger to the sums of its day, or takes
-- them away again. Most of them are zero, and leave their sum the text that it is.
-- Columns that a newer build put behind ours stay.
local function add_sums(day, line, sign)
  local account, numbers = string.match(line, '^([^\n]*)\n([^\n]*)')
  local key, sums, n = base .. 'sums:' .. day, {}, 0
  for sum in string.gmatch(redis.call('HGET', key, account) or '', '[^,]+') do sums[#sums + 1] = sum end
  for value in string.gmatch(numbers, '[^,]+') do
    n = n + 1
    local sum = sums[n] or '0'
    if value ~= '0' then sum = string.format('%.0f', tonumber(sum) + sign * tonumber(value)) end
    sums[n] = sum
  end
  if sums[1] == '0' then return redis.call('HDEL', key, account) end
  redis.call('HSET', key, account, table.concat(sums, ','))
end

-- bill writes what an attempt cost into the ledger, instead of what stood there of it.
local function bill(before, day, try, line, forget)
  for _, old_day in ipairs((before == day or before == '') and { day } or { before, day }) do
    local old = redis.call('HGET', base .. 'ledger:' .. old_day, try)
    if old then
      add_sums(old_day, old, -1)
      redis.call('HDEL', base .. 'ledger:' .. old_day, try)
    end
  end
  if line == '' then return end
  redis.call('HSET', base .. 'ledger:' .. day, try, line)
  add_sums(day, line, 1)
  redis.call('EXPIREAT', base .. 'ledger:' .. day, forget)
  redis.call('EXPIREAT', base .. 'sums:' .. day, forget)
end

-- remove forgets a job and every trace of it in the shard. If it has blobs, a
-- note stays, by which they are found and deleted.
local function remove(id)
  local head = read_head(id)
  if not head then return false end
  local dedupe = head[DEDUPE]
  set_state(id, head, head[STATE], nil)
  forget_stream(stream_of(head))
  if head[STATE] == 'waiting' then leave_lane(id, head, head[ADMITTED]) end
  redis.call('ZREM', due_key(head), id)
  if parked_key(head[ASIDE]) then redis.call('ZREM', parked_key(head[ASIDE]), id) end
  redis.call('ZREM', base .. 'expire', id)
  redis.call('ZREM', base .. 'owing', id)
  if dedupe ~= '' and owner(dedupe) == id then redis.call('DEL', base .. 'dedupe:' .. dedupe) end
  local thread = string.match(head[THREAD], '^%x+')
  if thread and redis.call('GET', thread_key(thread)) == id then redis.call('DEL', thread_key(thread)) end
  if head[BLOBS] ~= '' then redis.call('ZADD', base .. 'gone', 0, id) end
  redis.call('UNLINK', job_key(id), dependents_key(id), deltas_key(id), parts_key(id), open_key(id))
  return true
end

-- pause_and returns a verdict and what a paused lane's hash holds; base is that.
local function pause_and(verdict)
  return { verdict, redis.call('HMGET', base, unpack(pause_fields)) }
end
