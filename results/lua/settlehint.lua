-- Settle hint drops a claimed hint, or makes it due again. One that another
-- webhook has made due meanwhile is left to that. Either way its worker is not gone,
-- so no lapse is held against it any more.
-- ARGV: endpoint, response, the lease it was claimed with, due again ('' to drop)
-- Returns 1, or 0 for one that is no longer leased so.
local endpoint, response, lease, again = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local due, tries = base .. 'due:' .. endpoint, base .. 'tries:' .. endpoint
redis.call('HDEL', base .. 'lapses:' .. endpoint, response)
local score = redis.call('ZSCORE', due, response)
if not score or tonumber(score) ~= tonumber(lease) then return 0 end
if again == '' then redis.call('HDEL', tries, response) end
put(due, again, response)
return 1
