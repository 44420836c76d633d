package main

import (
	"strings"
	"testing"
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
