-- List returns the newest ids of a shard between two bounds, of all jobs that a
-- filter selects, newest first. It sees all lists at the same moment, so a job
-- that changes its state meanwhile is told once.
-- ARGV: states (with a comma between two), kind, lane and group ('' for any),
--       the two bounds of the range of ids, the lower first, and limit
local chosen, kind, lane, group = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local from, to, limit = ARGV[5], ARGV[6], tonumber(ARGV[7])
local wanted, streams = states, streams()
if chosen ~= '' then
  wanted = {}
  for state in string.gmatch(chosen, '[^,]+') do wanted[#wanted + 1] = state end
end

local ids = {}
local function add(set)
  for _, id in ipairs(redis.call('ZREVRANGEBYLEX', set, to, from, 'LIMIT', 0, limit)) do ids[#ids + 1] = id end
end

for _, of in ipairs(wanted) do
  if group ~= '' then
    add(group_state_key(of, group))
  else
    for _, stream in ipairs(streams) do
      local colon = string.find(stream, ':', 1, true)
      local selected = (kind == '' or string.sub(stream, 1, colon - 1) == kind)
        and (lane == '' or string.sub(stream, colon + 1) == lane)
      if selected then add(list_key(of, stream)) end
    end
  end
end
table.sort(ids, function(a, b) return a > b end)
for i = #ids, limit + 1, -1 do ids[i] = nil end
return ids
