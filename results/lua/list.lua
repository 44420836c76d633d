-- List returns the newest ids of a shard before a cursor, of all jobs that a
-- filter selects, newest first. It sees all lists at the same moment, so a job
-- that changes its state meanwhile is told once.
-- ARGV: state, kind, lane and group ('' for any), the end of the range of ids,
--       limit
local state, kind, lane, group = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local before, limit = ARGV[5], tonumber(ARGV[6])
local wanted, streams = states, streams()
if state ~= '' then wanted = { state } end

local ids = {}
local function add(set)
  for _, id in ipairs(redis.call('ZREVRANGEBYLEX', set, before, '-', 'LIMIT', 0, limit)) do ids[#ids + 1] = id end
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
