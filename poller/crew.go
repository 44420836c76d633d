package poller

// crew keeps goroutines that are done with their work for the next: a new one for
// each look spends a tenth of the processor on growing its stack. It is for one
// caller.
type crew struct {
	idle chan func()
	room int // how many more may be kept
}

func newCrew(most int) *crew { return &crew{idle: make(chan func()), room: most} }

// do has somebody do the work.
func (c *crew) do(work func()) {
	select {
	case c.idle <- work: // somebody is free
		return
	default:
	}
	if c.room == 0 {
		go work()
		return
	}
	c.room--
	go func() {
		work()
		for work := range c.idle {
			work()
		}
	}()
}

// dismiss lets those go that have nothing to do, and the others when they are done.
func (c *crew) dismiss() { close(c.idle) }
