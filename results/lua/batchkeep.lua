-- Batchkeep makes a worker the one that looks after the batches, or lets it stay that.
-- ARGV: worker, for how long
-- Returns 1, or 0 while another one does.
local keeper = redis.call('GET', base .. 'keeper')
if keeper and keeper ~= ARGV[1] then return 0 end
redis.call('SET', base .. 'keeper', ARGV[1], 'PX', ARGV[2])
return 1
