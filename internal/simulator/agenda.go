package simulator

// appointment is something to do at a time, in Unix nanoseconds.
type appointment struct {
	at       int64
	kind     errand
	record   *record   // whose end to tell
	delivery *delivery // what to send or to release
}

type errand int

const (
	toTell    errand = iota // that a response has ended
	toSend                  // a webhook, late or once more
	toRelease               // a webhook that nothing has overtaken
)

// agenda is a heap of appointments by time.
type agenda []appointment

func (a *agenda) Len() int           { return len(*a) }
func (a *agenda) Less(i, j int) bool { return (*a)[i].at < (*a)[j].at }
func (a *agenda) Swap(i, j int)      { (*a)[i], (*a)[j] = (*a)[j], (*a)[i] }

// Push implements heap.Interface.
func (a *agenda) Push(x any) {
	if x, ok := x.(appointment); ok {
		*a = append(*a, x)
	}
}

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = appointment{}
	*a = (*a)[:last]
	return x
}
