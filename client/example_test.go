package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A service hands over a request and comes back for the answer, in this process
// or in another one, now or tomorrow: the id is all it has to remember. It is
// compiled and not run, since it needs a Redis and a worker.
func Example() { //nolint:testableexamples // it needs a Redis and a worker
	ctx := context.Background()
	c, err := client.Open(ctx, client.Config{RedisURL: "redis://127.0.0.1:6379/0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close() }()

	submitted, err := c.Submit(ctx,
		[]byte(`{"model":"gpt-4.1","input":"Summarize these minutes: ...","max_output_tokens":800}`),
		jobs.Options{
			DedupeKey: "minutes-2026-11-22", // a second submission of the same request is the same job
			Deadline:  time.Now().Add(6 * time.Hour),
			Lane:      "reports",
		})
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Class == jobs.ClassInvalid {
		fmt.Println("mend the request:", e.Param, e.Message)
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}

	job, err := c.Wait(ctx, submitted.Job.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	if job.State != jobs.StateSucceeded {
		fmt.Println(job.State, job.Failure)
		return
	}
	text, err := c.Text(ctx, job.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(text)
}

// Everything that failed because the provider was down is tried again, however
// much that is, and what may have been paid for is left to a person.
func ExampleClient_All() { //nolint:testableexamples // it needs a Redis
	ctx := context.Background()
	c, err := client.Open(ctx, client.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close() }()

	down := results.Filter{
		States:  []jobs.State{jobs.StateFailed, jobs.StateExpired},
		Classes: []jobs.Class{jobs.ClassUnavailable, jobs.ClassExpired},
		Until:   c.Now(), // what fails from now on is for another time
	}
	for job, err := range c.All(ctx, down) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if why := client.Caution(job); why != "" {
			fmt.Println(job.ID, "is left alone:", why)
			continue
		}
		if _, err := c.Retry(ctx, job.ID); err != nil {
			fmt.Println(err)
			return
		}
	}
}
