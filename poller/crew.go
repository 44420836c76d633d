package poller

// crew keeps goroutines that are done with their work for the next: a new one for
// each look spends a tenth of the processor on growing its stack. It has as many as
// were ever busy at once, which who uses it must bound. Close it when it is no
// longer wanted.
type crew chan func()

// do has somebody do the work.
func (c crew) do(work func()) {
	select {
	case c <- work: // somebody is free
	default:
		go func() {
			work()
			for work := range c {
				work()
			}
		}()
	}
}
