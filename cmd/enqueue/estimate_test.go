package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// estimating is an environment without a Redis, and with a model of which only the
// output costs something: a thousandth of a cent a token.
func estimating() []string {
	return []string{"LONGHAUL_REDIS_URL=redis://127.0.0.1:1", `LONGHAUL_PRICES={"house":{"input":0,"output":10},"gpt-4.1":{"input":0}}`}
}

func TestSubmitEstimates(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{
			"bounded",
			[]string{"--model", "house", "--max-output-tokens", "1000"},
			"jobs      1\ninput     N tokens\noutput    1,000 tokens, guessed\nexpected  $0.0100\nhighest   $0.0100\nnothing was submitted\n",
		},
		{
			"not bounded",
			[]string{"--model", "gpt-4.1"},
			"jobs      1\ninput     N tokens\noutput    4,096 tokens, guessed\nexpected  $0.0328\nhighest   unknown\n" +
				"highest cost of 1 job not known: no max_output_tokens is given, so an answer may have any length\nnothing was submitted\n",
		},
		{
			"without a price",
			[]string{"--model", "dear", "--max-output-tokens", "1000"},
			"jobs      1\nexpected  unknown\nhighest   unknown\ncost unknown of 1 job: no price for model dear, set prices.dear\nnothing was submitted\n",
		},
		{
			"with a local installation that is not started",
			[]string{"--dev", "--model", "house", "--max-output-tokens", "1000", "--continue-from", "job_0198c0ffee0070008000000000000001"},
			"jobs      1\ninput     N tokens\noutput    1,000 tokens, guessed\nexpected  $0.0100\nhighest   unknown\n" +
				"highest cost of 1 job not known: what it continues is read again, and its length is not known here\nnothing was submitted\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := call(t.Context(), estimating(), "", append([]string{"submit", "--estimate", "--input", "Hello."}, test.args...)...).want(t, 0)
			var shown strings.Builder
			for line := range strings.Lines(got.stdout) {
				if strings.HasPrefix(line, "input ") {
					if strings.Contains(line, " 0 tokens") {
						t.Errorf("nothing is read: %s", line)
					}
					line = "input     N tokens\n"
				}
				shown.WriteString(line)
			}
			if shown.String() != test.want {
				t.Errorf("got\n%s\nwant\n%s", got.stdout, test.want)
			}
		})
	}
	call(t.Context(), estimating(), "", "submit", "--estimate", "--wait", "--input", "x").want(t, 2).says(t, "leave out one of them")
	call(t.Context(), estimating(), "", "submit", "--estimate", "--request", putFile(t, "bad.json", `{"input":""}`)).want(t, 2).says(t, "input: is an empty string")
}

func TestBatchEstimates(t *testing.T) {
	t.Parallel()
	line := func(id, body string) string {
		return `{"custom_id":"` + id + `","method":"POST","url":"/v1/responses","body":` + body + "}\n"
	}
	file := putFile(t, "b.jsonl", line("a", `{"model":"house","input":"x","max_output_tokens":1000}`)+
		line("b", `{"model":"house","input":"x","max_output_tokens":100000}`)+line("c", `{"model":"dear","input":"x"}`)+line("d", `{"model":"dear","input":"x"}`))
	got := decode[forecastReport](t, call(t.Context(), estimating(), "", "batch", file, "--estimate", "--json").want(t, 0).stdout)
	// A cap that is far over what is guessed is not what is expected.
	want := jobs.Money(1000+4*4096) * 10_000
	if got.Jobs != 4 || got.Unknown != 2 || got.Expected == nil || *got.Expected != want || got.Highest != nil || got.OutputTokens != 1000+4*4096 ||
		len(got.Why) != 1 || got.Why[0] != (reason{"no price for model dear, set prices.dear", 2}) || len(got.Open) != 0 {
		t.Errorf("%+v, want %s expected", got, want)
	}
	shows(t, call(t.Context(), estimating(), "", "batch", file, "--estimate").want(t, 0).stdout,
		"expected  $0.1738+?\nhighest   unknown\ncost unknown of 2 jobs: no price for model dear, set prices.dear\n")
	if left := folder(t, filepath.Dir(file)); len(left) != 1 {
		t.Errorf("it leaves %v", left)
	}
	call(t.Context(), estimating(), "", "batch", putFile(t, "bad.jsonl", "x"), "--estimate").want(t, 2).says(t, "line 1")
	bounded := putFile(t, "bounded.jsonl", line("a", `{"model":"house","input":"x","max_output_tokens":1000}`)+line("b", `{"model":"house","input":"x","max_output_tokens":100000}`))
	if got := decode[forecastReport](t, call(t.Context(), estimating(), "", "batch", bounded, "--estimate", "--json").want(t, 0).stdout); got.Highest == nil || *got.Highest != 101_000*10_000 {
		t.Errorf("highest of %+v, want that of 101,000 tokens", got)
	}
}
