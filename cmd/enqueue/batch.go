package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// submitters is how many requests are handed over at once.
const submitters = 16

// batchFlags say what to do with a batch beside submitting it.
type batchFlags struct {
	output, errors string
	retryFailed    bool
	estimate       bool
}

func (c *cli) batchCommand() *cobra.Command {
	var (
		job   jobFlags
		batch batchFlags
	)
	cmd := &cobra.Command{
		Use:   "batch FILE.jsonl|-",
		Short: "Run a file of requests in OpenAI's batch format",
		Long: `batch runs a file in OpenAI's batch format, one request a line:

  {"custom_id":"a","method":"POST","url":"/v1/responses","body":{"input":"…"}}

All lines are checked before the first is submitted. When all jobs have ended,
the answers and the errors are written in the same format, in the order of the
input. Calling it again goes on where it was stopped: a line that was submitted
is not submitted, and not paid for, again. Lines that failed stay failed unless
--retry-failed is given. A line that is held (--uncertain hold) is left to a
person: it is never tried again by calling this again, and not waited for when
it is all that is left.

The jobs form a group. Within it a line is known by its custom_id and its body,
so when a file was edited only the lines that changed are asked. The group is
named batch- and the file's name without its folder and ending (batch-stdin for
stdin), with a - for what no name can have. Files of one name share their group,
and so the jobs of lines that are equal, but each run is about its own lines
only. Another --group asks everything anew.`,
		Example: `  enqueue batch requests.jsonl
  enqueue batch requests.jsonl --estimate
  enqueue batch requests.jsonl --output answers.jsonl --retry-failed`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one file of requests, or - for stdin")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&batch.output, "output", "", "file for the answers, - for stdout (default: FILE.output.jsonl, stdout for stdin)")
	flags.StringVar(&batch.errors, "errors", "", "file for the errors (default: FILE.errors.jsonl, or with the answers if these go to stdout)")
	flags.BoolVar(&batch.retryFailed, "retry-failed", false, "try lines again that have failed, or were cancelled, cut off or late; held ones never")
	estimateFlag(flags, &batch.estimate)
	job.register(flags)
	job.registerTier(flags)
	job.registerStream(flags)
	cmd.RunE = c.do(func(ctx context.Context, cfg config.Config, args []string) error {
		options, err := job.options(flags, time.Now())
		if err != nil {
			return err
		}
		file, err := openBatch(ctx, args[0], c.stdin, batchRules{model: cfg.OpenAI.Model, limit: cfg.Jobs.MaxRequestBytes, options: options})
		if err != nil {
			return err
		}
		if batch.estimate {
			return errors.Join(c.estimateBatch(ctx, cfg, file, options), file.close())
		}
		r := &batchRun{cli: c, file: file, options: options, retryFailed: batch.retryFailed, account: newAccount(time.Now())}
		r.out = batch.destination(args[0])
		if r.out, err = r.out.check(args[0]); err != nil {
			return errors.Join(err, file.close())
		}
		r.out.stdout = c.stdout
		if r.options.Group == "" {
			r.options.Group = batchGroup(args[0])
		}
		return errors.Join(c.withSession(ctx, cfg, func(s *session) error { return r.run(ctx, s) }), file.close())
	})
	return cmd
}

// estimateBatch says what the lines of a batch are likely to cost.
func (c *cli) estimateBatch(ctx context.Context, cfg config.Config, file *batchFile, options jobs.Options) error {
	f, err := newForecast(cfg, options)
	if err != nil {
		return err
	}
	err = f.addAll(ctx, len(file.lines), func(i int) (jobs.Request, error) { return file.request(file.lines[i]) })
	if err != nil {
		return err
	}
	return c.printForecast(f)
}

// batchGroup names the group of a batch after its file.
func batchGroup(input string) string {
	const prefix, most = "batch-", 128
	if input == "-" {
		return prefix + "stdin"
	}
	base := filepath.Base(input)
	name := prefix + strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !jobs.ValidName("x"+string(r)) {
			return '-'
		}
		return r
	}, strings.TrimSuffix(base, filepath.Ext(base)))
	return name[:min(len(name), most)]
}

// destination is where the lines go, unless told otherwise beside the input.
func (f batchFlags) destination(input string) batchOutput {
	out := batchOutput{output: f.output, errors: f.errors}
	stem := strings.TrimSuffix(input, filepath.Ext(input))
	switch {
	case out.output == "" && input == "-":
		out.output = "-"
	case out.output == "":
		out.output = stem + ".output.jsonl"
	}
	if out.errors == "" && out.output != "-" {
		if input == "-" {
			stem = strings.TrimSuffix(out.output, filepath.Ext(out.output))
		}
		out.errors = stem + ".errors.jsonl"
	}
	return out
}

// batchRun is a batch on its way.
type batchRun struct {
	*cli
	file        *batchFile
	options     jobs.Options
	retryFailed bool
	out         batchOutput
	account     *account
	// retried is how many lines were tried again that had an end.
	retried atomic.Int64
}

func (r *batchRun) run(ctx context.Context, s *session) error {
	r.doubtLane(ctx, s, r.options.Lane, "what was submitted to it waits for one")
	lines := r.file.lines
	r.account.expect(len(lines))
	members := make([]*member, len(lines))
	f := &follower{jobs: s, account: r.account, patience: r.patience, group: r.options.Group, leaveHeld: true, advise: r.advise}
	p := r.showProgress(ctx, "batch", r.account, f, nil)
	err := alongside(ctx, f.run, func(ctx context.Context) error {
		defer f.close()
		return inParallel(ctx, submitters, len(lines), func(ctx context.Context, i int) error {
			m, err := r.submit(ctx, s, f, i)
			members[i] = m
			return err
		})
	})
	p.stop()
	if err == nil {
		r.out.lost = func(m *member, why outputError) {
			r.account.lose(m, &jobs.Failure{Class: jobs.ClassLost, Code: why.Code, Message: why.Message})
		}
		err = r.out.write(ctx, r.responses(s), members)
	}
	if err != nil {
		return r.stopped(ctx, err, "the same command")
	}
	return r.report()
}

// responses reads responses, and waits while Redis or the blob store is away.
func (r *batchRun) responses(s *session) responseFunc {
	return func(ctx context.Context, id jobs.ID) (body json.RawMessage, err error) {
		err = patiently(ctx, r.patience, func(err error) { r.console.say("batch: %s", outage(err)) }, func() (err error) {
			body, err = s.Response(ctx, id)
			return err
		})
		return body, err
	}
}

// submit hands over a line, or finds its job of an earlier run.
func (r *batchRun) submit(ctx context.Context, s *session, f *follower, i int) (*member, error) {
	line := r.file.lines[i]
	request, err := r.file.request(line)
	if err != nil {
		return nil, err
	}
	options := r.options
	options.DedupeKey = r.dedupeKey(line)
	var j jobs.Job
	retried := false
	err = f.patiently(ctx, func() error {
		submitted, err := s.Submit(ctx, request.Raw, options)
		j = submitted.Job
		if err == nil && r.retryFailed && !submitted.Fresh && retriable(j) && !undecided(j) {
			j, err = s.Retry(ctx, j.ID)
			retried = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if retried {
		r.retried.Add(1)
	}
	m := &member{order: i, name: line.customID}
	m.observe(j)
	m.past = &earlier{usage: m.usage, spent: m.spent} // what it has by now was not asked for by this command
	f.add(m)
	return m, nil
}

// advise says what a person can do about a line that has no answer.
func (r *batchRun) advise(j jobs.Job) string {
	if undecided(j) {
		return r.cli.advise(j, "")
	}
	return r.cli.advise(j, "--retry-failed")
}

// dedupeKey is the same for the same custom id and request in the same group, so
// that running a batch again finds its jobs, whatever became of the other lines.
func (r *batchRun) dedupeKey(line batchLine) string {
	sum := sha256.Sum256(append([]byte(line.customID+"\x00"), line.digest[:]...))
	return "batch:" + r.options.Group + ":" + hex.EncodeToString(sum[:])
}

// batchReport is what --json prints of a batch.
type batchReport struct {
	Group  string `json:"group"`
	Output string `json:"output"`
	Errors string `json:"errors,omitempty"`
	// Retried is how many lines of earlier runs were tried again.
	Retried int64 `json:"retried,omitempty"`
	totals
}

// report says what became of the batch. Where the answers are on stdout, it goes
// to stderr.
func (r *batchRun) report() error {
	t := r.account.totals(time.Now(), true)
	toStdout := r.out.output == "-"
	if r.json && !toStdout {
		report := batchReport{Group: r.options.Group, Output: r.out.output, Retried: r.retried.Load(), totals: t}
		if t.Succeeded+t.Incomplete < t.Total {
			report.Errors = r.out.errors
		}
		if err := r.print(report); err != nil {
			return err
		}
	} else if err := r.table(t, toStdout); err != nil {
		return err
	}
	if !t.clean() {
		return errReported
	}
	return nil
}

func (r *batchRun) table(t totals, toStdout bool) error {
	to, more := r.stdout, " in "+r.out.errors
	if toStdout {
		to, more = r.console, ""
	}
	if err := writeTotals(to, t, more); err != nil {
		return err
	}
	if n := r.retried.Load(); n > 0 {
		if err := printLine(to, "%s of an earlier run %s tried again", plural(int(n), "line", "lines"), was(n)); err != nil {
			return err
		}
	}
	if toStdout {
		return nil
	}
	if err := printLine(to, "answers are in %s", r.out.output); err != nil {
		return err
	}
	if r.out.errors != "" && t.Succeeded+t.Incomplete < t.Total {
		return printLine(to, "errors are in %s", r.out.errors)
	}
	return nil
}

func was(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
