-- Count returns how many jobs a shard has in each state, in the order of states.
-- ARGV: group ('' for all jobs)
local group = ARGV[1]
local counts, streams = {}, streams()
for i, state in ipairs(states) do
  counts[i] = 0
  if group ~= '' then
    counts[i] = redis.call('ZCARD', group_state_key(state, group))
  else
    for _, stream in ipairs(streams) do counts[i] = counts[i] + redis.call('ZCARD', list_key(state, stream)) end
  end
end
return counts
