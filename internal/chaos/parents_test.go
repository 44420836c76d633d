//go:build chaos

package chaos_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/proxy"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestSweepDocuments kills the worker at the Redis commands that are about one document
// or one of its parts, and has another bring it to its end: each part was created once,
// but for what is on record, and there is no part twice.
//
// Guarantees: G2, G3, G30.
func TestSweepDocuments(t *testing.T) {
	r := tell(t, 18, "`kill -9` at the Nth Redis command about a document", "")
	s := &documents{in: newSweepInstallation(t, 50*time.Millisecond), row: r}
	s.run(t, 0, "") // the server learns the scripts
	steps := s.run(t, 0, "")
	if steps < 40 {
		t.Fatalf("the path of a document has %d commands: the proxy does not see them", steps)
	}
	t.Run("at", func(t *testing.T) {
		for n := 1; n <= steps; n += 2 {
			for _, moment := range []proxy.Moment{proxy.BeforeCommand, proxy.BeforeAnswer} {
				t.Run(fmt.Sprintf("%d %s", n, moment), func(t *testing.T) {
					t.Parallel()
					s.run(t, n, moment)
				})
			}
		}
	})
	if s.sprung < steps/2 {
		t.Errorf("%d workers were killed along %d commands", s.sprung, steps)
	}
	r.done = fmt.Sprintf("each second of the %d commands of a path, before it and before its answer: %d kills", steps, s.sprung)
}

// documents summarizes one document after the other, killing a worker of each.
type documents struct {
	in  *installation.Installation
	row *row

	mu     sync.Mutex // guards the row's account and what follows
	sprung int
}

// run has one document's worker killed at a command and another finish. It returns how
// many commands have passed.
func (s *documents) run(t *testing.T, command int, moment proxy.Moment) (steps int) {
	t.Helper()
	in := s.in.Apart(t)
	id := in.SubmitDocuments(1, 2, jobs.Options{})[0]
	var victim *installation.Process
	started := make(chan struct{})
	redis, err := proxy.NewRedis(in.Redis.Addr(), string(id), command, moment, func() { <-started; victim.Kill() })
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	victim = in.StartWorker(append(quick(), "LONGHAUL_REDIS_URL="+in.RedisURLAt(redis.Addr()))...)
	close(started)
	ended := ends(t, in, id, victim.Gone())
	if !ended {
		if !redis.Sprung() {
			t.Fatal("the worker ended by itself, or its document never")
		}
		in.StartWorker(quick()...)
		if !ends(t, in, id, nil) {
			t.Fatal("the document has not ended")
		}
	}
	j, err := in.Client.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := in.Client.Text(t.Context(), id); err != nil || j.State != jobs.StateSucceeded || text == "" {
		t.Errorf("%s, %v, text %q, %v", j.State, j.Failure, text, err)
	}
	parts := in.Parts()
	requests := make(map[string]bool, len(parts))
	for _, part := range parts {
		if requests[part.RequestDigest] {
			t.Errorf("%s is there twice", part.ID)
		}
		requests[part.RequestDigest] = true
	}
	ledger := in.Ledger()
	for of := range ledger {
		if _, err := in.Store.Load(t.Context(), of); err != nil {
			delete(ledger, of) // another run's
		}
	}
	a := installation.Compare(parts, ledger)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.row.add(t, a)
	if redis.Sprung() {
		s.sprung++
	}
	return len(redis.Steps())
}
