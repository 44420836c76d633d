package jobs_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The life of a job whose first attempt meets a busy provider.
func Example() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	request, err := jobs.ParseRequest([]byte(`{"input":"Write a long report."}`), jobs.DefaultModel)
	if err != nil {
		fmt.Println(err)
		return
	}
	job := jobs.New(jobs.NewID(now, 7), request, jobs.Options{}, now)
	job.Admitted = now // a store keeps this beside the record

	queued, err := jobs.ParseResponse([]byte(`{"id":"resp_1","status":"queued"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	completed, err := jobs.ParseResponse([]byte(`{"id":"resp_1","status":"completed"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	busy := jobs.Failure{Class: jobs.ClassUnavailable, HTTPStatus: 503}
	for _, event := range []jobs.Event{
		jobs.SubmitStarted{Attempt: 1, Worker: "w1", Endpoint: "main"},
		jobs.CreateFailed{Attempt: 1, Failure: busy, Delay: jobs.RetryDelay(busy, 1, 0.5)},
		jobs.SubmitStarted{Attempt: 2, Worker: "w1", Endpoint: "main"},
		jobs.Created{Attempt: 2, Reply: jobs.Reply{Response: queued}, FirstLook: now.Add(5 * time.Second)},
		jobs.Looked{Reply: jobs.Reply{Response: completed}},
	} {
		now = now.Add(time.Second)
		change, err := jobs.Transition(job, event, now)
		if err != nil {
			fmt.Println(err)
			return
		}
		job = change.Job
		job.Admitted = now
		fmt.Printf("%-14s → %s\n", event.Name(), job.State)
	}
	// Output:
	// submit_started → submitting
	// create_failed  → waiting
	// submit_started → submitting
	// created        → running
	// looked         → succeeded
}

// A transition that brings nothing new, or cannot be, leaves the job as it is.
func ExampleTransition() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	job := jobs.New("job_0199f0c0a80070008000000000000007", jobs.Request{Model: "gpt-4.1"}, jobs.Options{}, now)

	change, err := jobs.Transition(job, jobs.StopRequested{Reason: jobs.StopCancel}, now)
	fmt.Println(change.Job.State, err)

	_, err = jobs.Transition(change.Job, jobs.StopRequested{Reason: jobs.StopCancel}, now)
	fmt.Println(errors.Is(err, jobs.ErrUnchanged))

	_, err = jobs.Transition(job, jobs.DeleteRequested{}, now)
	fmt.Println(err)
	// Output:
	// cancelled <nil>
	// true
	// job_0199f0c0a80070008000000000000007 is waiting: it has not ended; cancel it first
}

// A request of the older API is refused with what to write instead.
func ExampleParseRequest() {
	_, err := jobs.ParseRequest([]byte(`{"messages":[{"role":"user","content":"Hi"}]}`), jobs.DefaultModel)
	fmt.Println(err)
	fmt.Println(jobs.ClassOf(err), jobs.FailureOf(err).Param)
	// Output:
	// invalid: messages: is a field of Chat Completions; the Responses API calls it "input"
	// invalid messages
}

// What is sent is the caller's JSON with our few fields set: unknown fields,
// their order and every digit stay.
func ExampleRequest_Body() {
	request, err := jobs.ParseRequest([]byte(`{"model":"gpt-4.1","new_field":1.000,"input":"Hi"}`), jobs.DefaultModel)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := request.Body("job_0199f0c0a80070008000000000000007", 2, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(body))
	// Output:
	// {"model":"gpt-4.1","new_field":1.000,"input":"Hi","metadata":{"longhaul_job":"job_0199f0c0a80070008000000000000007","longhaul_attempt":"2"},"background":true,"store":true}
}

// All problems are reported at once, each with its field.
func ExampleOptions_Validate() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	options := jobs.Options{MaxAttempts: 1000, Deadline: now.Add(-time.Hour)}
	fmt.Println(options.Validate(now))
	// Output:
	// invalid: max_attempts: is 1000; it goes from 1 to 100 (0 means 5)
	// invalid: deadline: is in the past; give a time after 2026-03-01T12:00:00Z
}

// The class of an error decides what happens to the job.
func ExampleClass_Verdict() {
	for _, class := range []jobs.Class{jobs.ClassUnavailable, jobs.ClassQuota, jobs.ClassInvalid} {
		verdict := class.Verdict()
		fmt.Printf("%s: %s, alert %t\n", class, verdict.Action, verdict.Alert)
	}
	// Output:
	// unavailable: retry, alert false
	// quota: wait, alert true
	// invalid: fail, alert false
}

// A response that completed may still want something of its caller.
func ExampleResponse_RequiresAction() {
	response, err := jobs.ParseResponse([]byte(`{
		"id": "resp_1",
		"status": "completed",
		"output": [
			{"type": "message", "content": [{"type": "output_text", "text": "Let me look that up."}]},
			{"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{}"}
		]
	}`))
	fmt.Println(err)
	fmt.Println(response.Text())
	fmt.Println(response.RequiresAction())
	// Output:
	// <nil>
	// Let me look that up.
	// [function_call]
}

// The server's own delay is kept and spread a little; without one the delay is
// drawn below a bound that doubles.
func ExampleRetryDelay() {
	const random = 0.5
	told := jobs.Failure{Class: jobs.ClassRateLimited, RetryAfter: 20 * time.Second}
	fmt.Println(jobs.RetryDelay(told, 1, random))
	for failures := 1; failures <= 3; failures++ {
		fmt.Println(jobs.RetryDelay(jobs.Failure{Class: jobs.ClassUnavailable}, failures, random))
	}
	// Output:
	// 21s
	// 1s
	// 4s
	// 16s
}

// Due says when somebody has to look after a job next.
func ExampleJob_Due() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	job := jobs.New("job_0199f0c0a80070008000000000000007", jobs.Request{Model: "gpt-4.1"}, jobs.Options{}, now)
	due, ok := job.Due(jobs.DefaultTiming())
	fmt.Println(due.Sub(now), ok)

	job.Admitted = now
	due, ok = job.Due(jobs.DefaultTiming())
	fmt.Println(due.Sub(now), ok)
	// Output:
	// 24h0m0s true
	// 15s true
}
