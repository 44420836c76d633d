package results

import "time"

// ShiftClock moves the store's clock, so that tests choose the time.
func (s *Store) ShiftClock(d time.Duration) {
	last := s.clock.compared.Load()
	s.clock.set(last.ours, last.theirs.Add(d))
}

// Trust has the store ask for nothing that it has not been told of for as long
// as it listens.
func (s *Store) Trust() {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	s.horizon.heard, s.horizon.unheard = 1000*time.Hour, 1000*time.Hour
}

// Heard reports whether the store listens and can hear the others.
func (s *Store) Heard() bool {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	return s.horizon.listening && s.horizon.noticed
}
