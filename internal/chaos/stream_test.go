//go:build chaos

package chaos_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestStreamsThroughKills has responses followed while one of two workers is killed now
// and then: each piece of an answer is kept once and in order, whoever brought it, and
// what was begun to be shown is the beginning of the answer.
//
// Guarantees: G1, G2, G27.
func TestStreamsThroughKills(t *testing.T) {
	t.Parallel()
	const (
		n     = 60
		kills = 6
	)
	r := tell(t, 56, "responses that are followed, one of two workers killed", fmt.Sprintf("%d streamed jobs, %d kills", n, kills))
	in := installation.New(t, "--simulator-queued", "300ms", "--simulator-running", "14s")
	var sentences strings.Builder
	for i := range 60 {
		fmt.Fprintf(&sentences, "Harbour%d was rebuilt with stone%d after storm%d. ", i, 7*i, 11*i)
	}
	in.Submit(n, `{"input":"Document %d. `+sentences.String()+`"}`, jobs.Options{Stream: true})
	killSometimes(t, random(t), in, kills, quick()...)
	ended, a := settle(t, r, in, n)
	whole, pieces := 0, 0
	for _, j := range ended {
		answer, err := in.Client.Text(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		var last jobs.Place
		for p, err := range in.Client.Watch(t.Context(), j.ID, jobs.Place{}) {
			if err != nil {
				t.Fatal(err)
			}
			if !last.Before(p.Place) {
				t.Errorf("of %s, %s comes after %s", j.ID, p.Place, last)
			}
			if p.Attempt != last.Attempt {
				text.Reset() // the answer begins anew
			}
			if last = p.Place; p.Type == jobs.TextDelta {
				text.WriteString(p.Delta)
				pieces++
			}
		}
		if !strings.HasPrefix(answer, text.String()) {
			t.Errorf("of %s, the pieces make\n%s\nwhich is not the beginning of the answer\n%s", j.ID, &text, answer)
		}
		if text.String() == answer {
			whole++
		}
	}
	if whole < n/2 {
		t.Errorf("of %d answers only %d were shown whole", n, whole)
	}
	r.note = fmt.Sprintf("%d pieces, each once; %d answers whole before their end was seen; %d paid twice", pieces, whole, a.PaidTwice)
}
