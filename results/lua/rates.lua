-- Shared by the scripts about what a lane may send. KEYS[1] is the base of its keys
-- and carries its hash tag. Times are milliseconds, with fractions: a lane may send
-- thousands of requests a second.
local base = KEYS[1]
local rates, open, set = base .. 'rates', base .. 'open', base .. 'set'
local keep = 86400000

-- full writes a number so that none of its digits that matter is lost.
local function full(n) return string.format('%.17g', n) end

-- stand is how a lane stands: of requests and of tokens, in this order, the limits
-- that the provider has told and what it said was left of them, and when the next one
-- is due; what it holds everything back until; and how far the rates are cut.
local function stand()
  local f = redis.call('HMGET', rates, 'limit_requests', 'limit_tokens', 'left_requests', 'left_tokens', 'told',
    'requests', 'tokens', 'hold', 'cut', 'cut_at', 'heals_at')
  for i = 1, 11 do f[i] = tonumber(f[i]) or (i == 9 and 1 or 0) end
  return {
    limit = { f[1], f[2] }, left = { f[3], f[4] }, told = f[5], due = { f[6], f[7] }, hold = f[8],
    cut = f[9], cut_at = f[10], heals_at = f[11],
  }
end

-- share is the share of its rates that a lane has: 1, or less for a while after it
-- was told to slow down. It comes back evenly over the given time.
local function share(s, now, heal)
  if s.cut >= 1 or now <= s.heals_at then return s.cut end
  return math.min(1, s.cut + (now - s.heals_at) / heal)
end

-- limits are those in force, of requests, tokens and responses in flight, 0 for none:
-- what was set at run time, else what is configured. The provider's own counts where
-- it is lower; where nothing else is said, only once less than half of it is left, so
-- that a lane at rest may send as many at once as the provider takes. A pause that was
-- set or ended at run time counts before one of the configuration ('1').
local function limits(s, now, rpm, tpm, most, paused)
  local f = redis.call('HMGET', set, 'requests_per_minute', 'tokens_per_minute', 'in_flight', 'paused')
  local given = { tonumber(f[1]) or rpm, tonumber(f[2]) or tpm }
  for i = 1, 2 do
    local theirs = s.limit[i]
    if given[i] <= 0 and s.left[i] + (now - s.told) * theirs / 60000 >= theirs / 2 then theirs = 0 end
    if given[i] <= 0 or theirs > 0 and theirs < given[i] then given[i] = theirs end
  end
  return given[1], given[2], tonumber(f[3]) or most, (f[4] or paused) == '1'
end
