-- Lineadd has a request wait for a batch, once.
-- ARGV: id of the line, model, bytes, now
-- Returns 1, or 0 for one that is there already.
local id, model, bytes, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if read_line(id) then return 0 end
open(id, { bytes = bytes, unwanted = '0', model = model }, now)
return 1
