package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestSummariesThroughKills kills the command and the worker with -9 in the middle of a
// run, and calls the same command again: nothing is paid for twice, and in the end there
// are the same files, byte for byte but for times, ids and money, as of a run that nobody
// has disturbed.
func TestSummariesThroughKills(t *testing.T) {
	t.Parallel()
	const documents, kills = 60, 3
	in := installation.New(t, "--simulator-queued", "50ms", "--simulator-running", "300ms")
	requests := in.SummariesThroughKills(documents, kills, time.Second, restless()...)
	t.Logf("%d documents in %d requests through %d kills of both", documents, requests, kills)
}

// TestTheDryRunIsRight holds what a dry run says against what is billed: the tokens of the
// documents within one percent, and what depends on answers inside of its bracket.
func TestTheDryRunIsRight(t *testing.T) {
	t.Parallel()
	const documents = 40
	in := installation.New(t, "--simulator-queued", "5ms", "--simulator-running", "20ms")
	docs, out := filepath.Join(t.TempDir(), "docs"), filepath.Join(t.TempDir(), "out")
	in.PutDocuments(docs, documents)

	dry := in.Summarize(docs, out, "--dry-run")
	if code := dry.Wait(); code != 0 {
		t.Fatalf("the dry run: exit code %d", code)
	}
	type span struct {
		Low      int64 `json:"low"`
		Expected int64 `json:"expected"`
		High     int64 `json:"high"`
	}
	type moneySpan struct {
		Low      jobs.Money `json:"low"`
		Expected jobs.Money `json:"expected"`
		High     jobs.Money `json:"high"`
	}
	var said struct {
		Requests     span      `json:"requests"`
		ReadTokens   int64     `json:"read_tokens"`
		InputTokens  span      `json:"input_tokens"`
		OutputTokens span      `json:"output_tokens"`
		Cost         moneySpan `json:"cost_usd"`
	}
	if err := json.Unmarshal([]byte(dry.Stdout.String()), &said); err != nil {
		t.Fatalf("%v:\n%s", err, dry.Stdout)
	}
	if n := len(in.Ledger()); n != 0 {
		t.Fatalf("the dry run sent %d requests", n)
	}
	in.Worker()
	run := in.Summarize(docs, out)
	run.Wait()
	var was struct {
		InputTokens  int64      `json:"input_tokens"`
		OutputTokens int64      `json:"output_tokens"`
		Cost         jobs.Money `json:"cost_usd"`
	}
	if err := json.Unmarshal([]byte(run.Stdout.String()), &was); err != nil {
		t.Fatalf("%v:\n%s", err, run.Stdout)
	}
	requests := int64(len(in.Parts()))
	t.Logf("%d requests, %+v said; input %d, %+v said; output %d, %+v said; cost %s, %+v said",
		requests, said.Requests, was.InputTokens, said.InputTokens, was.OutputTokens, said.OutputTokens, was.Cost, said.Cost)
	var read int64
	for _, parent := range in.All(results.Filter{Kind: jobs.KindSummarize}) {
		for part, err := range in.Client.Parts(t.Context(), parent.ID) {
			switch a, ok := part.Job.CurrentAttempt(); {
			case err != nil:
				t.Fatal(err)
			case part.Phase == 1 && ok && a.Usage != nil:
				read += a.Usage.InputTokens
			}
		}
	}
	t.Logf("%d tokens of documents were billed, %d said", read, said.ReadTokens)
	if off := read - said.ReadTokens; off*100 > read || -off*100 > read || read == 0 {
		t.Errorf("%d tokens of documents were billed, %d were said: %.2f %% off", read, said.ReadTokens, 100*float64(off)/float64(read))
	}
	if was.InputTokens < said.InputTokens.Low || was.InputTokens > said.InputTokens.High {
		t.Errorf("input of %d tokens is not within %+v", was.InputTokens, said.InputTokens)
	}
	if was.OutputTokens < said.OutputTokens.Low || was.OutputTokens > said.OutputTokens.High {
		t.Errorf("output of %d tokens is not within %+v", was.OutputTokens, said.OutputTokens)
	}
	if was.Cost < said.Cost.Low || was.Cost > said.Cost.High {
		t.Errorf("a cost of %s is not within %+v", was.Cost, said.Cost)
	}
	if requests < said.Requests.Low || requests > said.Requests.High {
		t.Errorf("%d requests are not within %+v", requests, said.Requests)
	}
}
