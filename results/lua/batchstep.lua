-- Batchstep writes what became of a batch, if it is still as it was read.
-- ARGV: number of the batch, version, record, how long it is kept, '' for one that goes on
-- Returns the new version, 0 if another step came first.
local n, version, record, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = base .. 'batch:' .. n
if redis.call('HGET', key, 'version') ~= version then return 0 end
redis.call('HSET', key, 'record', record, 'version', version + 1)
if keep ~= '' then
  redis.call('ZREM', base .. 'batches', n)
  redis.call('DEL', members_key(n))
  redis.call('PEXPIRE', key, keep)
end
return version + 1
