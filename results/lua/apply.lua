-- Apply writes one transition: the record, its state, its lists, what it owes
-- and the response that came with it become visible together or not at all.
-- ARGV: id, expected version, expected admission ('' or a time), nonce, schema,
--       record, state, next attempt, place ('lane', 'admitted' or ''),
--       not_before, due, expire, owing ('0', '-' for no longer, or ''), body
--       action ('', 'keep', 'blob' if the body is, or may be, in the blob store,
--       or 'drop'), body, deadline, looks ('' for none, '=' for those that there
--       are), deleting ('1' or ''), endpoint of the response ('' unless running),
--       now, aside ('1' for a waiting job that stands outside its lane, '1/BUDGET' for
--       one that waits there for room in a budget, 'plan' for a parent whose planner
--       is to be asked, or ''),
--       expected links, then for each line of the ledger that it changes: the day of
--       the line that there was ('' for none), the day of the new one, its attempt, the line
--       ('' for none any more), and the second in which its day is forgotten
-- Returns the verdict, 'applied', 'stale' or 'missing', and a version.
local id, expected, expected_admission, nonce, schema = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local record, state, next_attempt, place, not_before = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local due, expire, owing, body_action, body = ARGV[11], ARGV[12], ARGV[13], ARGV[14], ARGV[15]
local deadline, looks, deleting, endpoint, now = ARGV[16], ARGV[17], ARGV[18], ARGV[19], ARGV[20]
local aside, expected_links = ARGV[21], ARGV[22]
local key = job_key(id)

local head = read_head(id)
if not head then return { 'missing', '0' } end
local version, nonces, from, dedupe = head[VERSION], head[NONCES], head[STATE], head[DEDUPE]
local before, parked = due_key(head), parked_key(head[ASIDE])
-- go-redis repeats a command whose answer was lost: the same nonce is success,
-- with the version that it made, for others may have followed.
local at = string.find(nonces, nonce, 1, true)
if at then return { 'applied', string.format('%d', tonumber(version) - (at - 1) / 17) } end
-- Admission changes what a job is owed and not its version, and so does another job
-- that begins to wait for it.
if version ~= expected or head[ADMITTED] ~= expected_admission or head[LINKS] ~= expected_links then return { 'stale', version } end

version = string.format('%d', tonumber(version) + 1)
-- The newest first, sixteen digits and a comma each; the last eight are enough,
-- because a repeated command follows its twin at once.
nonces = string.sub(nonce .. ',' .. nonces, 1, 8 * 17 - 1)
head[SCHEMA], head[VERSION], head[STATE], head[NONCES] = schema, version, state, nonces
head[NEXT], head[DEADLINE], head[ENDPOINT], head[ASIDE] = next_attempt, deadline, endpoint, aside
if from ~= state then head[NUDGE] = '' end
if looks ~= '=' then head[LOOKS] = looks end
head[LAPSED], head[ALONE] = '', ''
local leaves = from == 'waiting' and place ~= 'admitted'
local admitted = head[ADMITTED]
if leaves then head[ADMITTED], head[NUDGE] = '', '' end
if body_action == 'blob' then head[BLOBS] = '1' end
if body_action == 'keep' or body_action == 'blob' then
  redis.call('HSET', key, 'head', table.concat(head, ' '), 'record', record, 'body', body)
else
  redis.call('HSET', key, 'head', table.concat(head, ' '), 'record', record)
  if body_action == 'drop' then redis.call('HDEL', key, 'body') end
end
for i = 23, #ARGV, 5 do bill(ARGV[i], ARGV[i + 1], id .. '/' .. ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]) end
if from ~= state then set_state(id, head, from, state) end
if leaves then leave_lane(id, head, admitted) end
if parked and parked ~= parked_key(aside) then redis.call('ZREM', parked, id) end
if parked_key(aside) then redis.call('ZADD', parked_key(aside), head[RANK], id) end
-- A parent that is tried again plans anew, whatever it waited for before its end.
if terminal[from] and aside ~= '' then redis.call('DEL', open_key(id)) end
if place == 'lane' then
  redis.call('ZADD', waiting_key('later', head[LANE]), not_before, id)
  if tonumber(not_before) <= tonumber(now) then poke(waiting_key('later', head[LANE])) end
end
if before ~= due_key(head) then redis.call('ZREM', before, id) end
put(due_key(head), due, id)
if due ~= '' and tonumber(due) <= tonumber(now) then poke(due_key(head)) end
-- What is being deleted is no answer to a new submission.
if deleting == '1' and dedupe ~= '' and owner(dedupe) == id then redis.call('DEL', base .. 'dedupe:' .. dedupe) end
-- Only what has ended expires, and only what owed something owes it no more.
if expire ~= '' or terminal[from] then put(base .. 'expire', expire, id) end
if owing == '-' then
  redis.call('ZREM', base .. 'owing', id)
elseif owing ~= '' then
  redis.call('ZADD', base .. 'owing', owing, id)
end
return { 'applied', version }
