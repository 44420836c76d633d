-- Tally takes up what was spent in a period, as it was read from the ledger. What was
-- settled before the reading began is part of it, and what is in doubt since a day before
-- the period counts no more. Of two readings, the one that began first changes nothing
-- after the other.
-- ARGV: now, period, what was spent, the number of the last that was settled when the
--       reading began, first day of the period, time that the sums of the state are kept
--       for, in milliseconds
local now, period, spent, mark, since, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local f = redis.call('HMGET', state, 'period', 'mark', 'seq', 'since')
-- A mark beyond what there is was read before Redis forgot something.
if f[1] == period and (tonumber(f[2]) or 0) > mark and (tonumber(f[2]) or 0) <= (tonumber(f[3]) or 0) then return 0 end
redis.call('HSET', state, 'period', period, 'spent', whole(spent), 'mark', whole(mark), 'read', now, 'since', since)
redis.call('PEXPIRE', state, keep)
local function sweep(hash, field, gone)
  local entries = redis.call('HGETALL', hash)
  for i = 1, #entries, 2 do
    if gone(entries[i + 1]) then forget(hash, field, entries[i]) end
  end
end
sweep(settled, 'settled', function(entry) return tonumber(string.match(entry, '^%d+')) <= mark end)
-- Doubts may be many, and only a new day makes some of them old.
if f[4] ~= since then sweep(doubt, 'doubt', function(entry) return string.match(entry, '^[^,]*') < since end) end
return 1
