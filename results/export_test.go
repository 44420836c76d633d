package results

import "time"

// ShiftClock moves the store's clock, so that tests choose the time.
func (s *Store) ShiftClock(d time.Duration) { s.offset.Add(int64(d)) }
