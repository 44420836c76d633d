-- Hint keeps the word of a webhook that a response should be looked at, once for
-- each webhook. Its keys are the installation's, in a slot of their own.
-- ARGV: id of the webhook, endpoint, response, now, ids forgotten that are older
-- Returns 1, or 0 for a webhook that has been here before.
local id, endpoint, response, now, before = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('ZADD', base .. 'seen', 'NX', now, id) == 0 then return 0 end
redis.call('ZREMRANGEBYSCORE', base .. 'seen', '-inf', before)
redis.call('ZADD', base .. 'due:' .. endpoint, now, response)
return 1
