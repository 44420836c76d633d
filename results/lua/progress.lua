-- Progress appends events of a job's streamed responses to those that can be followed.
-- One that is not behind the last is there already, or comes too late, and is passed
-- over: so each is there once, however often it is told, and by whom.
-- ARGV: id, about how many events are kept, for how many seconds, then four for each
--       event: its place (ATTEMPT-NUMBER), type, item ('INDEX' or 'INDEX TYPE'), delta
-- Returns the place of the last event, '' for a job that is gone.
local id, most, kept = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', job_key(id)) == 0 then return '' end
local key = deltas_key(id)
local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
local last = newest and newest[1] or '0-0'

local function numbers(place)
  local attempt, number = string.match(place, '^(%d+)-(%d+)$')
  return tonumber(attempt), tonumber(number)
end

local attempt, number = numbers(last)
for i = 4, #ARGV, 4 do
  local a, n = numbers(ARGV[i])
  if a > attempt or a == attempt and n > number then
    redis.call('XADD', key, 'MAXLEN', '~', most, ARGV[i], 't', ARGV[i + 1], 'i', ARGV[i + 2], 'd', ARGV[i + 3])
    attempt, number, last = a, n, ARGV[i]
  end
end
redis.call('EXPIRE', key, kept)
return last
