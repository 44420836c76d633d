package responses_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// batchLine is a line for a batch, with extra members of the request behind a comma.
func batchLine(id, extra string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/responses","body":{"model":"gpt-4.1","input":"Say hello."%s}}`+"\n", id, extra)
}

// answersOf are what came of the lines, in short.
func answersOf(t *testing.T, c *responses.Client, files ...string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, id := range files {
		err := c.Answers(t.Context(), id, func(a jobs.BatchAnswer) error {
			switch {
			case a.Reply != nil:
				got[a.CustomID] = a.Reply.Response.Status
			default:
				got[a.CustomID] = fmt.Sprintf("%s %s %s", a.Failure.Class, a.Failure.Code, a.Failure.Param)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func TestLifeOfABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim, _, c := standIn(t, simulator.Config{Queued: time.Second, Batch: time.Minute})
		err := sim.SetFaults(simulator.FaultPlan{Rules: []simulator.FaultRule{
			{Match: simulator.FaultMatch{Op: "batch"}, Action: simulator.FaultAction{Expire: 0.2}},
			{Match: simulator.FaultMatch{Op: "create", Metadata: map[string]string{"k": "busy"}}, Action: simulator.FaultAction{Status: 503}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		file, err := c.Upload(t.Context(), "lines.jsonl", []byte(batchLine("a", "")+batchLine("b", `,"temperature":9`)+
			batchLine("c", `,"metadata":{"k":"busy"}`)+batchLine("d", `,"max_output_tokens":16`)+batchLine("e", "")))
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.CreateBatch(t.Context(), file, map[string]string{"longhaul_job": "job_b"})
		if err != nil || b.Terminal() || b.InputFileID != file {
			t.Fatalf("created %+v, %v", b, err)
		}
		time.Sleep(2 * time.Minute)
		if b, err = c.Batch(t.Context(), b.ID); err != nil || b.Status != jobs.BatchExpired || b.Counts.Total != 5 {
			t.Fatalf("it stands %+v, %v", b, err)
		}
		want := map[string]string{
			"a": "completed", "b": "invalid decimal_above_max_value temperature", "c": "rate_limited  ", "d": "incomplete", "e": "unavailable batch_expired ",
		}
		if diff := cmp.Diff(want, answersOf(t, c, b.OutputFileID, b.ErrorFileID)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if _, err := c.CancelBatch(t.Context(), b.ID); jobs.ClassOf(err) != jobs.ClassConflict {
			t.Errorf("cancelled after its end: %v, want a conflict", err)
		}
		stop := errors.New("enough")
		if err := c.Answers(t.Context(), b.OutputFileID, func(jobs.BatchAnswer) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("stopped by its reader: %v", err)
		}
		for name, err := range map[string]error{
			"batch": func() error { _, err := c.Batch(t.Context(), "batch_gone"); return err }(),
			"file":  c.Answers(t.Context(), "file-gone", func(jobs.BatchAnswer) error { return nil }),
		} {
			if jobs.ClassOf(err) != jobs.ClassLost {
				t.Errorf("%s that is not there: %v, want lost", name, err)
			}
		}
	})
}

// What was created although its answer was lost is found by its metadata, among many.
func TestFindBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim, _, c := standIn(t, simulator.Config{})
		file, err := c.Upload(t.Context(), "lines.jsonl", []byte(batchLine("a", "")))
		if err != nil {
			t.Fatal(err)
		}
		since := time.Now()
		if err := sim.SetFaults(simulator.FaultPlan{Rules: []simulator.FaultRule{
			{Match: simulator.FaultMatch{Op: "batch", First: 1}, Action: simulator.FaultAction{Accept: true, Reset: "after"}},
		}}); err != nil {
			t.Fatal(err)
		}
		mine := map[string]string{"longhaul_job": "job_b", "longhaul_attempt": "1"}
		if _, err := c.CreateBatch(t.Context(), file, mine); jobs.ClassOf(err) != jobs.ClassAmbiguous {
			t.Fatalf("created: %v, want ambiguous", err)
		}
		for i := range 120 {
			time.Sleep(time.Second)
			if _, err := c.CreateBatch(t.Context(), file, map[string]string{"longhaul_job": fmt.Sprint("other", i)}); err != nil {
				t.Fatal(err)
			}
		}
		b, found, err := c.FindBatch(t.Context(), since, mine)
		if err != nil || !found || b.Metadata["longhaul_attempt"] != "1" {
			t.Errorf("found %t %+v, %v", found, b, err)
		}
		for name, since := range map[string]time.Time{"in all": since, "only in the last": time.Now().Add(-10 * time.Second)} {
			if _, found, err := c.FindBatch(t.Context(), since, map[string]string{"longhaul_job": "job_c"}); found || err != nil {
				t.Errorf("%s: found one that was never made (%v)", name, err)
			}
		}
	})
}

// A file of answers that is cut says so; what is no answer, or over the cap, does not
// keep the others away.
func TestAnswersThatAreSpoilt(t *testing.T) {
	t.Parallel()
	good := func(id string) string {
		return `{"id":"batch_req_1","custom_id":"` + id + `","response":{"status_code":200,"request_id":"req_1","body":{"id":"resp_1","status":"completed"}},"error":null}` + "\n"
	}
	large := `{"id":"batch_req_2","custom_id":"large","response":{"status_code":200,"body":{"id":"resp_2","status":"completed","output":"` + strings.Repeat("x", 90_000) + `"}}}` + "\n"
	file := good("a") + "no JSON\n" + `{"custom_id":"odd","response":{"status_code":200,"body":{}}}` + "\n" + large + good("b")
	tests := map[string]struct {
		answer http.HandlerFunc
		class  jobs.Class
	}{
		"whole":       {answer(200, file), ""},
		"cut":         {answer(200, file+`{"custom_id":"c"`), jobs.ClassUnavailable},
		"unavailable": {answer(503, "<html>"), jobs.ClassUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, test.answer).client(t, func(config *responses.Config) { config.MaxResponseBytes = 4000 })
			var got []string
			err := c.Answers(t.Context(), "file-1", func(a jobs.BatchAnswer) error {
				if a.Failure != nil {
					got = append(got, a.CustomID+" "+string(a.Failure.Class))
					return nil
				}
				got = append(got, a.CustomID+" "+a.Reply.Response.ID)
				return nil
			})
			if test.class == "" && err != nil || test.class != "" && jobs.ClassOf(err) != test.class {
				t.Errorf("error %v, want class %q", err, test.class)
			}
			if diff := cmp.Diff([]string{"a resp_1", "large oversized", "b resp_1"}, got); diff != "" && name != "unavailable" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

// A batch whose file cannot be carried out says why, and an upload that is refused too.
func TestBatchesThatAreRefused(t *testing.T) {
	t.Parallel()
	_, _, c := standIn(t, simulator.Config{})
	file, err := c.Upload(t.Context(), "lines.jsonl", []byte(batchLine("a", "")+batchLine("a", "")))
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.CreateBatch(t.Context(), file, nil)
	if err != nil || b.Status != jobs.BatchFailed || len(b.Errors.Data) != 1 || b.Errors.Data[0].Code != "duplicate_custom_id" || b.Errors.Data[0].Line != 2 {
		t.Errorf("a line twice: %+v, %v", b, err)
	}
	if _, err := c.Upload(t.Context(), "lines.txt", []byte("x")); jobs.ClassOf(err) != jobs.ClassInvalid {
		t.Errorf("a file of another name: %v, want invalid", err)
	}
	if _, err := c.CreateBatch(t.Context(), "file-none", nil); jobs.ClassOf(err) != jobs.ClassInvalid {
		t.Errorf("a file that is not there: %v, want invalid", err)
	}
}

// A file of answers may take longer than a create as a whole, but no answer in it; the time
// that the caller takes for one does not count.
func TestAnswersTakeTheirTime(t *testing.T) {
	t.Parallel()
	line := `{"custom_id":"a","response":{"status_code":200,"body":{"id":"resp_1","status":"completed"}}}` + "\n"
	for name, test := range map[string]struct {
		pause, busy time.Duration
		want        int
		class       jobs.Class
	}{
		"slow":      {pause: 5 * time.Minute, want: 4},
		"busy":      {busy: 20 * time.Minute, want: 4},
		"stands by": {pause: 8 * time.Minute, want: 1, class: jobs.ClassUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/octet-stream")
					for i := range 4 {
						_, _ = io.WriteString(w, line)
						_ = http.NewResponseController(w).Flush()
						if i == 3 {
							return
						}
						select {
						case <-r.Context().Done():
							return
						case <-time.After(test.pause):
						}
					}
				})
				c := s.client(t, func(c *responses.Config) { c.CreateTimeout = 7 * time.Minute })
				got := 0
				err := c.Answers(t.Context(), "file-1", func(jobs.BatchAnswer) error {
					got++
					time.Sleep(test.busy)
					return nil
				})
				if got != test.want || test.class == "" && err != nil || test.class != "" && jobs.ClassOf(err) != test.class {
					t.Errorf("%d answers, %v; want %d", got, err, test.want)
				}
			})
		})
	}
}
