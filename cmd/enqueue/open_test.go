package main

import (
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
)

// With --live a command that only tells what there is sends nothing: it runs no worker,
// and so needs no key.
func TestReadingSendsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := strings.TrimSpace(b.call("", "submit", "--input", "Hello", "--group", "g").want(t, 0).stdout)
	for _, args := range [][]string{
		{"list"}, {"get", id}, {"usage"}, {"runs"}, {"lanes"}, {"budgets"}, {"batches"},
	} {
		b.call("", append(args, "--live")...).want(t, 0)
	}
	if shown := b.call("", "get", id, "--live").want(t, 0).stdout; !strings.Contains(shown, id+"  waiting") {
		t.Errorf("the job is\n%s", shown)
	}
}

// A Redis that answers and refuses is told with what to change.
func TestRedisThatRefuses(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{TCP: true})
	rules := []string{"on", ">hush", "~other:*", "&*", "+@all"}
	if err := server.Client(t).ACLSetUser(t.Context(), "me", rules...).Err(); err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	for user, says := range map[string]string{"me:wrong": "redis.url", "me:hush": "redis.prefix"} {
		said := b.call("", "list", "--redis-url", "redis://"+user+"@"+server.Addr()).want(t, 1).stderr
		if !strings.Contains(said, "Redis refuses this: correct ") || !strings.Contains(said, says) || strings.Contains(said, "hush") {
			t.Errorf("%s: it says\n%s", user, said)
		}
	}
}
