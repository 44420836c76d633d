package simulator

// SetLedgerCapacity makes the ledger small enough for a test to fill.
func (s *Simulator) SetLedgerCapacity(entries int) { s.store.capacity = entries }

// ParseFaultRule reads the rule that a header or metadata carries.
func ParseFaultRule(text string) (FaultRule, error) {
	rule, err := parseFaultRule(text)
	if err != nil {
		return FaultRule{}, err
	}
	return rule.FaultRule, nil
}

// SetCacheCapacity makes the prompt cache small enough for a test to fill.
func (s *Simulator) SetCacheCapacity(prefixes int) { s.cache.capacity = prefixes }

// CachedPrefixes is how many beginnings of prompts are kept.
func (s *Simulator) CachedPrefixes() int { return len(s.cache.prefixes) }
