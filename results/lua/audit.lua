-- Audit compares one page of a list with what its jobs are owed and puts back
-- what is missing: a due entry, a place in the lane. It is the last resort; the
-- other scripts leave nothing for it to find.
-- ARGV: list ('waiting', 'submitting', 'running', 'uncertain', 'owing'), first
--       rank, number, now
-- Returns the number looked at and the number repaired.
local list, first, number, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local set = list == 'owing' and base .. 'owing' or state_key(list)
local repaired = 0

-- restore adds a member that is in none of the given sets to the first of them.
local function restore(id, score, ...)
  for _, key in ipairs({ ... }) do
    if redis.call('ZSCORE', key, id) then return end
  end
  redis.call('ZADD', (...), score, id)
  repaired = repaired + 1
end

local ids = redis.call('ZRANGE', set, first, first + number - 1)
for _, id in ipairs(ids) do
  local f = redis.call('HMGET', job_key(id), 'lane', 'admitted', 'deadline', 'state')
  local lane, admitted, deadline = f[1], f[2], f[3]
  if not lane then
    redis.call('ZREM', set, id)
    repaired = repaired + 1
  else
    -- What is owed at all is owed now: who claims it sees whether that is so.
    local owed = now
    if list == 'uncertain' then owed = deadline end
    if list == 'waiting' and admitted then
      restore(id, admitted, waiting_key('admitted', lane))
    elseif list == 'waiting' then
      owed = deadline
      restore(id, now, waiting_key('later', lane), waiting_key('ready', lane))
    end
    if owed ~= '' then restore(id, owed, due_key(f[4])) end
  end
end
return { #ids, repaired }
