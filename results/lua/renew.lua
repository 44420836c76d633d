-- Renew prolongs the claim of a job whose response is being followed, or of a parent
-- whose planner is being asked. It stays what it is
-- if the job has moved on, or if its claim ran out and somebody else has it.
-- ARGV: id, version, the lease that was given last ('' for that of the claim itself),
--       the new one, looks, '1' if it is known by now that the job crashes nobody ('' if not)
-- Returns 1, or 0 for a job that is the caller's no more.
local id, version, last, lease, looks, proven = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local head = read_head(id)
if not head or head[VERSION] ~= version or head[STATE] ~= 'running' and head[ASIDE] ~= 'plan' then return 0 end
local due = due_key(head)
local score = redis.call('ZSCORE', due, id)
if not score then return 0 end
-- A repeated command finds the lease that it gave.
if last ~= '' and tonumber(score) ~= tonumber(last) and tonumber(score) ~= tonumber(lease) then return 0 end
redis.call('ZADD', due, lease, id)
head[LOOKS] = looks
if proven == '1' then head[LAPSED], head[ALONE] = '', '' end
write_head(id, head)
return 1
