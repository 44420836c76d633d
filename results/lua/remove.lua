-- Remove forgets a job that is in the state of the given version.
-- ARGV: id, expected version
-- Returns 'removed', 'missing' or 'stale'.
local version = redis.call('HGET', job_key(ARGV[1]), 'version')
if not version then return 'missing' end
if version ~= ARGV[2] then return 'stale' end
remove(ARGV[1])
return 'removed'
