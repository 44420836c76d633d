-- Count returns how many jobs a shard has in each state, in the order of states.
-- ARGV: group, lane ('' for all; else without those that have parts, which hold no
--       place in it)
local group, lane = ARGV[1], ARGV[2]
local counts, streams = {}, streams()
for i, state in ipairs(states) do
  counts[i] = 0
  if group ~= '' then
    counts[i] = redis.call('ZCARD', group_state_key(state, group))
  else
    for _, stream in ipairs(streams) do
      if lane == '' or stream == 'response:' .. lane then
        counts[i] = counts[i] + redis.call('ZCARD', list_key(state, stream))
      end
    end
  end
end
return counts
