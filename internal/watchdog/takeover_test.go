package watchdog_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSilentWorkersAreTakenOver takes over what a worker had in hand as soon as its
// word has run out, and once.
//
// Guarantee: G3.
func TestSilentWorkersAreTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.settle(t)
		k.store.word(them)
		time.Sleep(deadAfter)
		if got := k.store.takenOver(); len(got) != 0 {
			t.Fatalf("took over from %v, whose word is good", got)
		}
		time.Sleep(deadAfter)
		if diff := cmp.Diff([]string{them}, k.store.takenOver()); diff != "" {
			t.Errorf("taken over (-want +got):\n%s", diff)
		}
	})
}

// TestRedisThatWasAwayIsNoReasonToTakeOver lets the words of all workers run out.
//
// Guarantee: G6.
func TestRedisThatWasAwayIsNoReasonToTakeOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.settle(t)
		k.store.word(them)
		k.store.setAway(true)
		time.Sleep(time.Minute)
		k.store.setAway(false)
		for range 10 {
			time.Sleep(heartbeat)
			k.store.word(them)
		}
		if got := k.store.takenOver(); len(got) != 0 {
			t.Errorf("took over from %v, who speak", got)
		}
	})
}
