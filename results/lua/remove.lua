-- Remove forgets a job that is in the state of the given version.
-- ARGV: id, expected version
-- Returns 'removed', 'missing' or 'stale'.
local head = read_head(ARGV[1])
if not head then return 'missing' end
if head[VERSION] ~= ARGV[2] then return 'stale' end
remove(ARGV[1])
return 'removed'
