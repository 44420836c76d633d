-- Accept stores a new job and puts it into its lane, or, if others have to end before
-- it may start, beside it; or finds the job that has its dedupe key already.
-- ARGV: id, nonce, schema, record, request, digest, lane, kind, group, dedupe,
--       rank, not_before ('' if it may start at once), deadline, blobs ('1' if
--       the request is a blob, or ''), tenant, aside ('1' for a job that has to
--       wait for others, 'plan' for a parent, or ''), when one that stands aside is
--       seen to first, thread ('' for none), instead (the job whose dedupe key the
--       new one takes over if it has ended without success, or '')
-- Returns the verdict and the job's id: 'accepted', 'duplicate', 'conflict', or
-- 'taken' for an id that another job has.
local id, nonce, schema, record, request, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local lane, kind, group, dedupe = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local rank, not_before, deadline, blobs = ARGV[11], ARGV[12], ARGV[13], ARGV[14]
local tenant, aside, first_due, thread, instead = ARGV[15], ARGV[16], ARGV[17], ARGV[18], ARGV[19]

local known_head = read_head(id)
if known_head then
  -- The client sent the same accept again after its answer was lost.
  if string.find(known_head[NONCES], nonce, 1, true) then return { 'accepted', id } end
  return { 'taken', id }
end
if dedupe ~= '' then
  local other, known = owner(dedupe)
  local other_head = other and read_head(other)
  if other_head then
    if known ~= digest then return { 'conflict', other } end
    local state = other_head[STATE]
    local failed = terminal[state] and state ~= 'succeeded'
    if other ~= instead or not failed then return { 'duplicate', other } end
    -- A parent that is about to have the other one tried again is told in the same step.
    other_head[LINKS] = other_head[LINKS] .. 'r'
    write_head(other, other_head)
  end
  redis.call('SET', base .. 'dedupe:' .. dedupe, id .. ' ' .. digest)
end
local follows = ''
if thread ~= '' then
  follows = redis.call('GET', thread_key(thread)) or ''
  local before = follows ~= '' and read_head(follows)
  if before then
    -- The two are in one shard: the job is put down to be told in the same step.
    aside = '1'
    if not terminal[before[STATE]] then
      redis.call('ZADD', dependents_key(follows), 0, id)
      if not string.find(before[LINKS], 'd', 1, true) then before[LINKS] = 'd' .. before[LINKS] end
    end
    before[LINKS] = string.gsub(before[LINKS], 'f', '') .. 'f'
    write_head(follows, before)
  else
    follows = ''
  end
  redis.call('SET', thread_key(thread), id)
  if follows ~= '' then thread = thread .. ',' .. follows end
end
local head = { schema, '1', 'waiting', kind, lane, group, dedupe, rank, deadline, '1', '', '', nonce, '', '', blobs, '', '', tenant, aside, '', thread }
redis.call('HSET', job_key(id), 'head', table.concat(head, ' '), 'record', record, 'request', request)
redis.call('SADD', base .. 'streams', stream_of(head))
set_state(id, head, nil, 'waiting')
if aside ~= '' then
  -- A worker asks at once how those stand that it waits for, or its planner.
  redis.call('ZADD', due_key(head), first_due, id)
  poke(due_key(head))
  return { 'accepted', id }
end
put(base .. 'due', deadline, id)
local later, turns = waiting_key('later', lane), waiting_key('turns', lane)
-- The lane is asked when its first job's time comes, and for what is ready: this one
-- is told of only where it comes before all that.
local known = redis.call('EXISTS', turns) == 1
if not_before == '' then
  -- What may start takes part in the turns at once: behind what another tenant has
  -- brought in it would wait to be found.
  redis.call('ZADD', ready_key(lane, tenant), rank, id)
  take_turns(lane, tenant)
else
  local first = redis.call('ZRANGE', later, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', later, not_before, id)
  known = known or first and tonumber(first) <= tonumber(not_before)
end
if not known then poke(later) end
return { 'accepted', id }
