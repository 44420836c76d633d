package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/results"
)

// summarizeFlags say what to do with documents beside summarizing them.
type summarizeFlags struct {
	out, budget, prompt, schema, preset, scanned string
	asFile                                       []string
	maxPages                                     int
	across, flex, batch, dryRun                  bool
	force, overwrite, allowPrivate               bool
	retryFailed, onlyNew, watching               bool
}

// What becomes of a PDF of which nothing but pictures can be read.
const (
	scannedSend = "send"
	scannedFail = "fail"
)

func (c *cli) summarizeCommand() *cobra.Command {
	var (
		job     jobFlags
		options summarize.Options
		f       summarizeFlags
	)
	cmd := &cobra.Command{
		Use:   "summarize DOCUMENT...",
		Short: "Summarize documents of any length: files, folders, patterns, URLs, buckets",
		Long: `summarize has documents summarized and writes the summaries into a folder: a
Markdown and a JSON file for each document, and summaries.jsonl, summaries.csv,
index.md and report.html about all of them. A DOCUMENT is a file, a folder (all
documents in it, at any depth), a pattern such as 'docs/**/*.md', an address
beginning with https://, or objects of a bucket as s3://bucket/prefix.
Documents are source code and files with one of these endings:

` + wrap(summarize.Extensions(), 78) + `

A document of any length is read whole: a long one in parts, whose summaries are
merged until one is left. Each statement names the page, slide, sheet or heading
that it is from, with a quotation; one that the document does not bear out is
marked. The workers do all of that, so this command may be stopped, and the same
command takes it up again.

Calling it again asks only for what is new: a document whose content, model and
options are unchanged is not paid for twice, and of a changed one only the parts
are asked for that have changed. One that failed is tried again. Not by itself
tried again is what may have been paid for without an answer: a request that is
held (--uncertain hold) or whose response is lost or too large; the report says
what a person can do. Nor is one whose answer the model has refused, or given in
a form that cannot be used, twice: --retry-failed --force asks anew, and pays
again for all parts of these documents and for no other.

The documents of one command are a run, which has a name; enqueue runs lists
them and enqueue run NAME watches one from anywhere. With --budget the workers
send nothing more once the run has cost so much, and what is left over goes on
with a higher one.

With --dry-run it says what the documents are likely to cost and to take, and
sends and writes nothing. That needs neither Redis nor a key; with Redis, what is
there already is not counted, since it is not paid again.`,
		Example: `  enqueue summarize --dev docs README.md
  enqueue summarize contracts --dry-run
  enqueue summarize contracts --preset legal --budget 20 --across
  enqueue summarize reports --ask "Which suppliers are named, and for what?"
  enqueue summarize https://example.com/report.pdf s3://archive/minutes --out summaries`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name at least one document, folder, pattern, URL or bucket")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.register(flags, &options)
	job.register(flags)
	job.registerTier(flags)
	flags.StringVar(&job.group, "name", "", "name of the run, the same as --group (default: summarize- and a digest of the folder's path)")
	cmd.RunE = c.do(func(ctx context.Context, cfg config.Config, args []string) error {
		if options.Model == "" && !flags.Changed("model") {
			options.Model = cfg.OpenAI.Model
		}
		if flags.Changed("name") && flags.Changed("group") {
			return usage("--name and --group say the same; keep one")
		}
		if flags.Changed("name") {
			if err := jobs.CheckNameIfSet("name", job.group); err != nil {
				return err
			}
		}
		jobOptions, err := job.options(flags, time.Now())
		if err != nil {
			return err
		}
		if err := f.complete(flags, &options); err != nil {
			return err
		}
		if err := f.fits(options, jobOptions, time.Now()); err != nil {
			return err
		}
		if f.batch && jobOptions.Deadline.IsZero() {
			jobOptions.Deadline = time.Now().Add(batchDeadline)
		}
		if !flags.Changed("prompt-cache") {
			jobOptions.PromptCache = options.Cacheable()
		}
		if most := jobOptions.GrowOutputTo; most > 0 && (options.MaxOutputTokens == 0 || most <= int64(options.MaxOutputTokens)) {
			return usage("--grow-output-to needs a lower --max-output-tokens: that is what grows")
		}
		r := &summarizeRun{cli: c, config: cfg, options: options, job: jobOptions, summarizeFlags: f}
		if f.dryRun {
			return r.forecast(ctx, args)
		}
		return r.run(ctx, args)
	})
	return cmd
}

// batchDeadline is by when a document has to be summarized whose requests go through
// batches, unless another deadline is given: a day for each of a few levels of merging.
const batchDeadline = 5 * jobs.BatchWindow

func (f *summarizeFlags) register(flags *pflag.FlagSet, options *summarize.Options) {
	flags.StringVar(&f.out, "out", "summaries", "folder for the summaries")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what it is likely to cost and to take, and send nothing")
	flags.BoolVar(&f.dryRun, "estimate", false, "the same as --dry-run")
	flags.StringVar(&options.Model, "model", "", "model to ask (default: --openai-model)")
	flags.StringVar(&options.Question, "ask", "", "question to each document, in place of a summary")
	flags.StringVar(&f.preset, "preset", "", "kind of summary: "+presetNames())
	flags.StringVar(&options.Language, "language", "", "language of the summaries (default: that of each document)")
	flags.StringVar(&options.Length, "length", "", "how long: short, medium, long or a number of words (default: what the preset has)")
	flags.StringVar(&options.Style, "style", "", "how to write, such as 'plain words, no jargon'")
	flags.StringVar(&options.Instructions, "instructions", "", "what matters, in place of what a preset says")
	flags.StringVar(&f.prompt, "prompt", "", "file with what --instructions says")
	flags.StringVar(&f.schema, "schema", "", "file with a JSON schema for the answers, in place of the usual one")
	flags.BoolVar(&f.across, "across", false, "also make one summary over all documents, in across.md")
	flags.StringVar(&f.budget, "budget", "", "dollars that the run may cost in all, also by earlier commands")
	flags.BoolVar(&f.flex, "flex", false, "use OpenAI's flex processing: half the price, and slower")
	flags.BoolVar(&f.batch, "batch", false, "use OpenAI's Batch API: half the price, up to a day for each level of a document")
	flags.IntVar(&f.maxPages, "max-pages", 0, "read only so many pages, slides, sheets or parts of each document, and say so")
	flags.StringArrayVar(&f.asFile, "as-file", nil, "give documents that match this pattern to the model as the files that they are; may be repeated")
	flags.StringVar(&f.scanned, "scanned", scannedSend, "what becomes of scanned PDFs: send (to the model, as the files that they are) or fail")
	flags.IntVar(&options.ChunkTokens, "chunk-tokens", 0, fmt.Sprintf("most tokens of a document in one request (default %d)", summarize.DefaultChunkTokens))
	flags.IntVar(&options.MaxOutputTokens, "max-output-tokens", 0, "bound on each answer, reasoning included")
	flags.IntVar(&options.ContextTokens, "context-tokens", 0, "size of the model's context, where it is not known")
	flags.StringVar(&options.Effort, "effort", "", "how hard a reasoning model thinks, such as low or high")
	flags.BoolVar(&f.force, "force", false, "ask for all of them anew, also for those that are unchanged; with --retry-failed for those that failed")
	flags.BoolVar(&f.overwrite, "overwrite", false, "replace files in the folder that another program has written")
	flags.BoolVar(&f.retryFailed, "retry-failed", false, "only those that failed before")
	flags.BoolVar(&f.onlyNew, "only-new", false, "only those of which nothing is on record but that they are open")
	flags.BoolVar(&f.watching, "watch", false, "go on with files that come or change, until interrupted")
	flags.BoolVar(&f.allowPrivate, "allow-private", false, "fetch URLs of private networks and of this machine, too")
}

// presetNames are the presets for people.
func presetNames() string {
	var names []string
	for _, p := range summarize.Presets() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// complete reads what the flags name, and reports what is wrong with them. White space
// around words says nothing, and makes no other request.
func (f *summarizeFlags) complete(flags *pflag.FlagSet, options *summarize.Options) error {
	options.Preset = summarize.Preset(f.preset)
	switch {
	case f.out == "":
		return usage("--out: name a folder")
	case f.retryFailed && f.onlyNew:
		return usage("--retry-failed and --only-new exclude each other: what failed before is not new")
	case f.force && f.onlyNew:
		return usage("--force and --only-new exclude each other: of what is new there is no answer to be asked for anew")
	case f.watching && f.dryRun:
		return usage("--watch and --dry-run exclude each other")
	case f.maxPages < 1 && flags.Changed("max-pages"):
		return usage("--max-pages: %d is no number of pages; give 1 or more, or leave it out for all of them", f.maxPages)
	case strings.TrimSpace(options.Question) == "" && flags.Changed("ask"):
		return usage("--ask: there is no question; give one, or leave --ask out for a summary")
	case options.Question != "" && f.preset != "":
		return usage("--ask and --preset exclude each other: a question takes the place of a summary; leave out --preset, and say with --instructions what matters")
	case f.scanned != scannedSend && f.scanned != scannedFail:
		return usage("--scanned: %q is neither send, to the model as the file that it is, nor fail", f.scanned)
	case f.prompt != "" && options.Instructions != "":
		return usage("--prompt and --instructions say the same; keep one")
	}
	switch {
	case f.flex && f.batch:
		return usage("--flex and --batch exclude each other: both are half the price")
	case f.flex:
		options.ServiceTier = "flex"
	case f.batch:
		options.ServiceTier = jobs.TierBatch
	}
	if f.prompt != "" {
		text, err := readSmall("--prompt", f.prompt, "a file with what matters; the words themselves go into --instructions")
		if err != nil {
			return err
		}
		if options.Instructions = strings.ReplaceAll(string(text), "\r\n", "\n"); strings.TrimSpace(options.Instructions) == "" {
			return usage("--prompt: %s holds no text; it takes a file with what matters", f.prompt)
		}
	}
	if f.schema != "" {
		text, err := readSmall("--schema", f.schema, "a file with a JSON schema")
		if err != nil {
			return err
		}
		options.Schema = text
	}
	if f.budget != "" {
		if amount, err := jobs.ParseMoney(f.budget); err != nil {
			return usage("--budget: %q %v, of at most %s", f.budget, err, results.MaxBudget)
		} else if amount > results.MaxBudget {
			return usage("--budget: %s is too large an amount; give a smaller one, of at most %s, or leave it out if there is to be no bound", f.budget, results.MaxBudget)
		} else if amount <= 0 {
			return usage("--budget: %s leaves nothing to spend; give the dollars that the run may cost, more than 0", f.budget)
		}
	}
	for _, pattern := range f.asFile {
		if _, err := matches(pattern, "x"); err != nil {
			return usage("--as-file: %q is no pattern; write for example '*.pdf' or 'scans/*'", pattern)
		}
	}
	for _, words := range []*string{&options.Instructions, &options.Question, &options.Language, &options.Length, &options.Style} {
		*words = strings.TrimSpace(*words)
	}
	if err := options.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// fits reports what cannot be had together, which OpenAI would refuse, or nobody ever see.
func (f *summarizeFlags) fits(options summarize.Options, job jobs.Options, now time.Time) error {
	if reasons, known := summarize.Reasons(options.Model); options.Effort != "" && known && !reasons {
		return usage("--effort: %s does not reason and takes none; leave it out, or name a --model that reasons, such as gpt-5.1", options.Model)
	}
	if job.FallbackTier != "" && !f.flex {
		return usage("--fallback-tier is for --flex, which may have no capacity; add --flex, or leave --fallback-tier out")
	}
	const slack = time.Minute // it was read from the command line a moment ago
	if begins := later(now, job.NotBefore); f.batch && !job.Deadline.IsZero() && job.Deadline.Before(begins.Add(jobs.BatchWindow-slack)) {
		return usage("--deadline: a batch may take 24 hours, and each level of a long document is one; give --batch 24h or more, such as 5d, or leave --deadline out")
	}
	return nil
}

// later is the later one of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// readSmall reads a file that a flag names; takes says what the flag takes.
func readSmall(flag, path, takes string) ([]byte, error) {
	const most = 1 << 20
	info, err := os.Stat(path)
	switch failed, ok := errors.AsType[*fs.PathError](err); {
	case ok:
		return nil, usage("%s: %q: %w; it takes %s", flag, clip(path, 60), failed.Err, takes)
	case err != nil:
		return nil, usage("%s: %w", flag, err)
	case !info.Mode().IsRegular():
		return nil, usage("%s: %s is no file", flag, path)
	case info.Size() > most:
		return nil, usage("%s: %s has more than %d bytes", flag, path, most)
	case info.Size() == 0:
		return nil, usage("%s: %s is empty", flag, path)
	}
	content, err := os.ReadFile(path) //nolint:gosec // it is the file that the caller names
	if err != nil {
		return nil, usage("%s: %w", flag, err)
	}
	return bytes.TrimPrefix(content, []byte("\ufeff")), nil // a byte order mark, as editors leave it
}
