-- Audit compares one page of a list with what its jobs are owed and puts back
-- what is missing: a due entry, a place in the lane. It is the last resort; the
-- other scripts leave nothing for it to find.
-- ARGV: list ('waiting', 'submitting', 'running', 'uncertain', 'owing'), first
--       rank, number, now
-- Returns the number looked at and the number repaired.
local list, first, number, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local sets, stream_in = {}, {}
if list == 'owing' then
  sets[1] = base .. 'owing'
else
  for i, stream in ipairs(streams()) do
    sets[i] = list_key(list, stream)
    stream_in[sets[i]] = stream
  end
end
local repaired = 0

-- restore adds a member that is in none of the given sets to the first of them.
local function restore(id, score, ...)
  for _, key in ipairs({ ... }) do
    if redis.call('ZSCORE', key, id) then return end
  end
  redis.call('ZADD', (...), score, id)
  repaired = repaired + 1
end

local function audit(set, id)
  local head = read_head(id)
  if not head then
    redis.call('ZREM', set, id)
    if stream_in[set] then forget_stream(stream_in[set]) end
    repaired = repaired + 1
    return
  end
  local lane, admitted, deadline = head[LANE], head[ADMITTED], head[DEADLINE]
  -- What is owed at all is owed now: who claims it sees whether that is so, and puts
  -- it back for when it is.
  local owed = now
  if list == 'waiting' and admitted ~= '' then
    restore(id, admitted, waiting_key('admitted', lane))
  elseif list == 'waiting' and parked_key(head[ASIDE]) then
    owed = deadline
    restore(id, head[RANK], parked_key(head[ASIDE]))
  elseif list == 'waiting' and head[ASIDE] == '' then
    owed = deadline
    local ready = ready_key(lane, head[TENANT])
    restore(id, now, waiting_key('later', lane), ready)
    if redis.call('EXISTS', ready) == 0 then
      forget_turns(lane, head[TENANT])
    elseif take_turns(lane, head[TENANT]) then
      repaired = repaired + 1
    end
  end
  if owed ~= '' then restore(id, owed, due_key(head)) end
end

-- The ranks go on from one set to the next.
local seen = 0
for _, set in ipairs(sets) do
  local size = redis.call('ZCARD', set)
  if first >= size then
    first = first - size
  elseif seen < number then
    local ids = redis.call('ZRANGE', set, first, first + number - seen - 1)
    for _, id in ipairs(ids) do audit(set, id) end
    seen, first = seen + #ids, 0
  end
end
return { seen, repaired }
