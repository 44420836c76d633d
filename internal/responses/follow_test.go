package responses_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// event is an event of a stream, as it is sent.
func event(n int, kind string, members ...string) string {
	members = append([]string{fmt.Sprintf(`"type":%q,"sequence_number":%d`, kind, n)}, members...)
	return fmt.Sprintf("event: %s\ndata: {%s}\n\n", kind, strings.Join(members, ","))
}

// stream is a handler that sends these bytes as a stream of events and then ends it.
func stream(chunks ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for _, chunk := range chunks {
			_, _ = io.WriteString(w, chunk)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// followed returns the data of the events that a stream brought.
func followed(ctx context.Context, c *responses.Client, after int64, most int) ([]string, error) {
	var got []string
	err := c.Follow(ctx, testID, after, func(data []byte) bool {
		got = append(got, string(data))
		return len(got) < most
	})
	return got, err
}

func TestFollowAsksForTheEventsBehindOne(t *testing.T) {
	t.Parallel()
	s := serve(t, stream(event(0, "response.created")))
	c := s.client(t)
	for _, after := range []int64{-1, 0, 41} {
		if _, err := followed(t.Context(), c, after, 10); err != nil {
			t.Fatal(err)
		}
	}
	got := s.received()
	const query = "include_obfuscation=false&stream=true"
	for i, want := range []string{query, "include_obfuscation=false&starting_after=0&stream=true", "include_obfuscation=false&starting_after=41&stream=true"} {
		if r := got[i]; r.Method != http.MethodGet || r.Path != "/v1/responses/"+testID || r.Query != want || r.Body != "" ||
			r.Header.Get("Accept") != "text/event-stream" || r.Header.Get("Authorization") != "Bearer "+testKey {
			t.Errorf("sent %+v, want the query %s", r, want)
		}
	}
	if _, err := followed(t.Context(), newClient(t), 0, 1); err == nil {
		t.Error("followed without a server")
	}
	if err := c.Follow(t.Context(), "no id\n", -1, nil); failure(t, err).Class != jobs.ClassInternal {
		t.Errorf("a malformed id: %v", err)
	}
}

func TestFollowReadsEvents(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 20_000)
	for _, tt := range []struct {
		name   string
		chunks []string
		most   int
		want   []string
		cut    bool
	}{
		{"some", []string{"data: {\"a\":1}\n\n", "data: {\"b\":2}\n\n"}, 9, []string{`{"a":1}`, `{"b":2}`}, false},
		{"in pieces", []string{"da", "ta: {\"a\"", ":1}\n", "\nda", "ta: 2\n\n"}, 9, []string{`{"a":1}`, `2`}, false},
		{"names, comments, other ends of lines", []string{": ping\n\nevent: x\r\nid: 4\r\ndata:1\r\n\r\n\n\n"}, 9, []string{"1"}, false},
		{"several lines", []string{"data: {\ndata: }\n\n"}, 9, []string{"{\n}"}, false},
		{"a long line", []string{"data: " + long + "\n\ndata: 2\n\n"}, 9, []string{long, "2"}, false},
		{"no more than wanted", []string{"data: 1\n\ndata: 2\n\ndata: 3\n\n"}, 2, []string{"1", "2"}, false},
		{"half an event is none", []string{"data: 1\n\ndata: 2\n"}, 9, []string{"1"}, true},
		{"half a line is none", []string{"data: 1\n\ndata: 2"}, 9, []string{"1"}, true},
		{"nothing", nil, 9, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := followed(t.Context(), serve(t, stream(tt.chunks...)).client(t), -1, tt.most)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if (err != nil) != tt.cut {
				t.Errorf("error %v", err)
			}
		})
	}
	c := serve(t, stream("data: "+long+"\n\n")).client(t, func(config *responses.Config) { config.MaxResponseBytes = 1000 })
	if got, err := followed(t.Context(), c, -1, 9); len(got) > 0 || err == nil {
		t.Errorf("an event over the cap: %d events, err %v", len(got), err)
	}
}

// What a provider says instead of a stream: only a refusal says that there will be none.
func TestFollowSaysWhyThereIsNoStream(t *testing.T) {
	t.Parallel()
	const old = `{"error":{"message":"This response can no longer be streamed because it is more than 5 minutes old","type":"invalid_request_error","param":"stream","code":null}}`
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		class   jobs.Class
		message string
	}{
		{"too old", answer(http.StatusBadRequest, old), jobs.ClassInvalid, "more than 5 minutes old"},
		{"a server that knows no streams", respond("in_progress"), jobs.ClassInvalid, "no stream"},
		{"no such response", answer(http.StatusNotFound, `{"error":{"message":"Response not found","type":"invalid_request_error","param":"id","code":null}}`), jobs.ClassLost, "not found"},
		{"a bad key", answer(http.StatusUnauthorized, `{"error":{"code":"invalid_api_key","message":"Incorrect API key"}}`), jobs.ClassUnauthorized, ""},
		{"too fast", answer(http.StatusTooManyRequests, `{"error":{"code":"rate_limit_exceeded"}}`), jobs.ClassRateLimited, ""},
		{"a fault", answer(http.StatusBadGateway, `<html>`), jobs.ClassUnavailable, ""},
		{"nothing", hangUp, jobs.ClassUnavailable, ""},
		{"a stream that ends in the middle", func(w http.ResponseWriter, r *http.Request) {
			stream("data: 1\n\n", "data: ")(w, r)
			hangUp(w, r)
		}, jobs.ClassUnavailable, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := followed(t.Context(), serve(t, tt.handler).client(t), 3, 9)
			if f := failure(t, err); f.Class != tt.class || !strings.Contains(f.Message, tt.message) {
				t.Errorf("%+v, want class %s and %q", f, tt.class, tt.message)
			}
		})
	}
}

// A stream may be silent for longer than any look may take, and ends when its caller
// has had enough.
func TestFollowWaitsAndCanBeStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			stream(event(0, "response.created"))(w, r)
			time.Sleep(time.Hour)
			stream(event(1, "response.in_progress"))(w, r)
			<-r.Context().Done()
		}).client(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		began := time.Now()
		got, err := followed(ctx, c, -1, 9)
		if len(got) != 2 || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2*time.Hour {
			t.Errorf("%d events after %s, err %v", len(got), time.Since(began), err)
		}
		c.Close()
	})
}

// The id of a streamed response is known from its first event; nothing is waited for
// after that.
//
// Guarantees: G2, G27.
func TestCreateOfAStreamedResponse(t *testing.T) {
	t.Parallel()
	created := event(0, "response.created", `"response":{"id":"`+testID+`","object":"response","status":"queued"}`)
	for _, tt := range []struct {
		name   string
		handle http.HandlerFunc
		id     string
		class  jobs.Class
	}{
		{"the stream goes on", func(w http.ResponseWriter, r *http.Request) {
			stream(created)(w, r)
			<-r.Context().Done()
		}, testID, ""},
		{"it ends right after", stream(created), testID, ""},
		{"it breaks right after", func(w http.ResponseWriter, r *http.Request) { stream(created)(w, r); hangUp(w, r) }, testID, ""},
		{"its connection is lost before", func(w http.ResponseWriter, r *http.Request) {
			stream(": wait\n\n")(w, r)
			hangUp(w, r)
		}, "", jobs.ClassAmbiguous},
		{"it ends before", stream(), "", jobs.ClassAmbiguous},
		{"the event is cut", stream(created[:60]), "", jobs.ClassAmbiguous},
		{"an error comes instead", stream(event(0, "error", `"code":"server_error","message":"sorry"`)), "", jobs.ClassAmbiguous},
		{"no stream is known", respond("queued"), testID, ""},
		{"it is refused", answer(http.StatusBadRequest, `{"error":{"code":"invalid_value","message":"no","type":"invalid_request_error"}}`), "", jobs.ClassInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reply, err := serve(t, tt.handle).client(t).Create(t.Context(), []byte(`{"model":"gpt-4.1","input":"hi","background":true,"stream":true}`), "a-1")
			if tt.class != "" {
				if f := failure(t, err); f.Class != tt.class {
					t.Errorf("%+v, want class %s", f, tt.class)
				}
				return
			}
			if err != nil || reply.Response.ID != tt.id || reply.Response.Status != jobs.StatusQueued || reply.Response.Terminal() {
				t.Errorf("reply %+v, err %v", reply.Response, err)
			}
		})
	}
}

// A look never takes the beginning of a stream for a status.
func TestLookIsNoStream(t *testing.T) {
	t.Parallel()
	c := serve(t, stream(event(0, "response.created", `"response":{"id":"`+testID+`","status":"completed"}`))).client(t)
	for _, op := range []string{"look", "cancel"} {
		if reply, err := call(t.Context(), c, op); err == nil {
			t.Errorf("%s takes a stream for %+v", op, reply)
		}
	}
	if !slices.Contains(responses.Operations(), "follow") {
		t.Error("no metric counts streams")
	}
}
