-- Observe takes up what an answer tells of the limits: what they are, what is left of
-- them, and that the provider wants less.
-- ARGV: now, limit of requests, of tokens (0: not told), requests left, tokens left
--       (-1: not told), factor by which the rates are cut (1: not), how long the cut
--       lasts before it heals, wait before anything else is sent, time in which a cut
--       heals, the deepest cut
local now = tonumber(ARGV[1])
local limit, left = { tonumber(ARGV[2]), tonumber(ARGV[3]) }, { tonumber(ARGV[4]), tonumber(ARGV[5]) }
local factor, lasts, wait = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local heal, deepest = tonumber(ARGV[9]), tonumber(ARGV[10])
local s = stand()

-- Others may use the same account: when little is left, what it takes for a twentieth
-- of the limit to come back is waited for.
local hold = wait > 0 and now + wait or 0
for i, of in ipairs({ 'requests', 'tokens' }) do
  local known = limit[i] > 0 and limit[i] or s.limit[i]
  if limit[i] > 0 then redis.call('HSET', rates, 'limit_' .. of, full(limit[i])) end
  if left[i] >= 0 then redis.call('HSET', rates, 'left_' .. of, full(left[i]), 'told', full(now)) end
  if known > 0 and left[i] >= 0 and left[i] < known / 20 then
    hold = math.max(hold, now + 60000 * (known / 20 - left[i]) / known)
  end
end
if hold > s.hold then redis.call('HSET', rates, 'hold', full(hold)) end

-- Many answers tell of the same moment: one of them cuts in a second.
if factor < 1 then redis.call('HINCRBY', rates, 'refused', 1) end
if factor < 1 and now - s.cut_at >= 1000 then
  local cut = math.max(deepest, share(s, now, heal) * factor)
  redis.call('HSET', rates, 'cut', full(cut), 'cut_at', full(now), 'heals_at', full(math.max(s.heals_at, now + lasts)))
end
redis.call('PEXPIRE', rates, keep)
return 1
