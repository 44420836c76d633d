package results

import (
	"context"
	"time"
)

// Allow asks for looks under the cap, at a time of the test's choice.
func (s *Store) Allow(ctx context.Context, now time.Time, perSecond, burst, want int) (int, error) {
	return s.allow(ctx, now, perSecond, burst, want)
}

// ShiftClock moves the store's clock, so that tests choose the time.
func (s *Store) ShiftClock(d time.Duration) {
	last := s.clock.compared.Load()
	s.clock.set(last.ours, last.theirs.Add(d))
}

// StopClock has the store's time stand still but for what it is shifted by.
func (s *Store) StopClock() {
	s.clock.set(time.Now(), s.clock.now())
	s.config.Clock = func() time.Time { return s.clock.compared.Load().theirs.UTC() }
}

// ShareClock has the store tell the same time as another: two that have each compared
// theirs with Redis' differ by a millisecond or two, in which what is due for one is
// not yet due for the other.
func (s *Store) ShareClock(other *Store) { s.clock.compared.Store(other.clock.compared.Load()) }

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

// Expects returns when the next job of a lane is due, in milliseconds, as far as the
// store knows of its first shard.
func (s *Store) Expects(lane string) int64 {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	if sight := s.horizon.sets[s.base(0).later(lane)]; sight != nil {
		return sight.next
	}
	return 0
}

// ForgetWhenMemoryWasAsked has the store ask anew how full Redis is.
func (s *Store) ForgetWhenMemoryWasAsked() {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.memory.asked = time.Time{}
}
