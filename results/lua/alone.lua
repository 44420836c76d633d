-- Alone notes that a worker looks at a claimed job and at nothing else.
-- ARGV: id, version, worker
-- Returns 1, or 0 for a job that has moved on.
local id, version, worker = ARGV[1], ARGV[2], ARGV[3]
local head = read_head(id)
if not head or head[VERSION] ~= version then return 0 end
head[ALONE] = worker
write_head(id, head)
return 1
