package results_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A job from its acceptance to its result: each step is decided by package jobs
// and written by the store, whoever makes it and from whichever process.
func Example() {
	ctx := context.Background()
	server, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer func() { _ = rdb.Close() }()

	store, err := results.Open(ctx, rdb, results.Config{Embedded: true}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		panic(err)
	}

	// A caller hands over a request.
	request, err := jobs.ParseRequest([]byte(`{"input":"Why is the sky blue?"}`), jobs.DefaultModel)
	if err != nil {
		panic(err)
	}
	job, _, err := store.Accept(ctx, request, jobs.Options{Group: "sky"})
	if err != nil {
		panic(err)
	}
	fmt.Println(job.State)

	// A dispatcher takes it from its lane, and a worker records its intent before
	// it sends anything, and the response's id when it has it.
	admitted, err := store.Admit(ctx, jobs.DefaultLane, 100)
	if err != nil {
		panic(err)
	}
	queued := jobs.Response{ID: "resp_1", Status: jobs.StatusQueued}
	completed := jobs.Response{ID: "resp_1", Status: jobs.StatusCompleted, Raw: []byte(`{"id":"resp_1","status":"completed"}`)}
	for _, event := range []jobs.Event{
		jobs.SubmitStarted{Attempt: admitted[0].Attempt, Worker: "worker-1", Endpoint: "openai"},
		jobs.Created{Attempt: 1, Reply: jobs.Reply{Response: queued}, FirstLook: store.Now()},
	} {
		if job, err = store.Step(ctx, job.ID, event); err != nil {
			panic(err)
		}
		fmt.Println(job.State)
	}

	// Any worker may find that a look is due, and bring the result.
	due, err := store.ClaimLooks(ctx, map[string]int{"openai": 10}, time.Minute)
	if err != nil {
		panic(err)
	}
	if job, err = store.Advance(ctx, due[0], jobs.Looked{Reply: jobs.Reply{Response: completed}}); err != nil {
		panic(err)
	}
	body, err := store.Body(ctx, job.ID)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: %s\n", job.State, body)

	counts, err := store.Counts(ctx, "sky")
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d of %d ended\n", counts.Ended(), counts.Total())

	// Output:
	// waiting
	// submitting
	// running
	// succeeded: {"id":"resp_1","status":"completed"}
	// 1 of 1 ended
}
