// Command plain is what people write before they have lost money: a handler that
// submits a response and polls it inside one Asynq task, with Asynq's and the
// SDK's own defaults for everything but the number of tasks in work. It is kept
// to be measured beside Longhaul and is no part of it.
//
//	plain enqueue REDIS N EVERY   put N jobs into the queue, one at each interval
//	plain work REDIS BASE_URL     work until it is killed
//
// A job's number is in the response's metadata, under "job"; what came of it is
// the Redis string result:N.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/redis/go-redis/v9"
)

// concurrency is that of a Longhaul lane, so that as many creates are in flight.
const concurrency = 32

func main() {
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	options, err := redis.ParseURL(args[1])
	if err != nil {
		return fmt.Errorf("read the address of redis: %w", err)
	}
	rdb := redis.NewClient(options)
	switch {
	case args[0] == "enqueue" && len(args) == 4:
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return fmt.Errorf("read the number of jobs: %w", err)
		}
		every, err := time.ParseDuration(args[3])
		if err != nil {
			return fmt.Errorf("read the interval: %w", err)
		}
		return enqueue(rdb, n, every)
	case args[0] == "work" && len(args) == 3:
		h := handler{rdb: rdb, api: responses.NewResponseService(option.WithBaseURL(args[2]), option.WithAPIKey("sk-plain"))}
		server := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: concurrency, LogLevel: asynq.ErrorLevel})
		return server.Run(h)
	}
	return errUsage
}

var errUsage = errors.New("usage: plain enqueue REDIS N EVERY, plain work REDIS BASE_URL")

func enqueue(rdb redis.UniversalClient, n int, every time.Duration) error {
	client := asynq.NewClientFromRedisClient(rdb)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for i := range n {
		<-ticker.C
		if _, err := client.Enqueue(asynq.NewTask("ask", []byte(strconv.Itoa(i)))); err != nil {
			return fmt.Errorf("enqueue job %d: %w", i, err)
		}
	}
	return nil
}

// handler asks a question and waits for its answer.
type handler struct {
	rdb redis.UniversalClient
	api responses.ResponseService
}

// ProcessTask implements [asynq.Handler]. An error has Asynq call it again.
func (h handler) ProcessTask(ctx context.Context, task *asynq.Task) error {
	job := string(task.Payload())
	r, err := h.api.New(ctx, responses.ResponseNewParams{}, option.WithRequestBody("application/json",
		fmt.Appendf(nil, `{"model":"gpt-4.1","background":true,"metadata":{"job":%q},`+
			`"input":"Document %s. The harbour was rebuilt after the storm. Trade came back within a year."}`, job, job)))
	if err != nil {
		return err
	}
	for r.Status == responses.ResponseStatusQueued || r.Status == responses.ResponseStatusInProgress {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.NewTimer(200 * time.Millisecond).C:
		}
		if r, err = h.api.Get(ctx, r.ID, responses.ResponseGetParams{}); err != nil {
			return err
		}
	}
	if r.Status != responses.ResponseStatusCompleted {
		return fmt.Errorf("response ended %s", r.Status)
	}
	return h.rdb.Set(ctx, "result:"+job, r.OutputText(), 0).Err()
}
