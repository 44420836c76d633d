package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// visit enters the gate, stays for the time and leaves; it says when it was inside.
func visit(t *testing.T, g *gate, alone bool, stay time.Duration, from, to *time.Duration) {
	t.Helper()
	began := time.Now()
	go func() {
		leave, err := g.Enter(context.Background(), alone)
		if err != nil {
			t.Error(err)
			return
		}
		*from = time.Since(began)
		time.Sleep(stay)
		*to = time.Since(began)
		leave()
	}()
	synctest.Wait()
}

// One that wants to be alone waits for those inside, keeps out those who come
// after it, and is inside by itself.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var at [4][2]time.Duration
		visit(t, g, false, 2*time.Second, &at[0][0], &at[0][1])
		visit(t, g, false, 3*time.Second, &at[1][0], &at[1][1])
		visit(t, g, true, 5*time.Second, &at[2][0], &at[2][1])
		visit(t, g, false, time.Second, &at[3][0], &at[3][1])
		time.Sleep(time.Minute)
		synctest.Wait()
		want := [4][2]time.Duration{{0, 2 * time.Second}, {0, 3 * time.Second}, {3 * time.Second, 8 * time.Second}, {8 * time.Second, 9 * time.Second}}
		if at != want {
			t.Errorf("inside from and to %v, want %v", at, want)
		}
	})
}

// Two who both want to be alone are so, one after the other.
func TestGateOfTwoAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var a, b [2]time.Duration
		visit(t, g, true, 5*time.Second, &a[0], &a[1])
		visit(t, g, true, 2*time.Second, &b[0], &b[1])
		time.Sleep(time.Minute)
		synctest.Wait()
		if a[0] != 0 || b[0] != 5*time.Second || b[1] != 7*time.Second {
			t.Errorf("inside from and to %v and %v", a, b)
		}
	})
}

// One that waits to be alone gives up after a while, and lets the others in again.
func TestGateGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var a, b [2]time.Duration
		visit(t, g, false, time.Hour, &a[0], &a[1])
		go func() {
			if _, err := g.Enter(t.Context(), true); !errors.Is(err, errGate) {
				t.Errorf("waits to be alone beside another, and is told %v", err)
			}
		}()
		synctest.Wait()
		visit(t, g, false, time.Second, &b[0], &b[1])
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if b[0] != patienceAlone {
			t.Errorf("let in after %v, want %v", b[0], patienceAlone)
		}
	})
}

// Who stays inside for long hears that somebody wants to be alone, and until when.
func TestGateTellsWhoStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		wanted := func() bool {
			select {
			case <-g.Wanted():
				return true
			default:
				return false
			}
		}
		leave, err := g.Enter(t.Context(), false)
		if err != nil || wanted() {
			t.Fatalf("wanted %t by nobody, err %v", wanted(), err)
		}
		go func() {
			<-g.Wanted() // that of before anybody wanted
			time.Sleep(time.Second)
			leave()
		}()
		// Which of the two is let in first is not promised.
		var a, b [2]time.Duration
		visit(t, g, true, 5*time.Second, &a[0], &a[1])
		visit(t, g, true, 5*time.Second, &b[0], &b[1])
		if !wanted() {
			t.Error("two want to be alone, and nobody is told")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if !wanted() {
			t.Error("one is alone and the other waits, and nobody is told")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if wanted() {
			t.Error("nobody waits any more")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if min(a[0], b[0]) != time.Second || max(a[0], b[0]) != 6*time.Second {
			t.Errorf("they are alone from %s and %s, want 1s and 6s", a[0], b[0])
		}
	})
}
