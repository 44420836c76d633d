package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func (c *cli) summarizeCommand() *cobra.Command {
	var (
		job     jobFlags
		options summarize.Options
		out     string
		force   bool

		estimate bool
	)
	cmd := &cobra.Command{
		Use:   "summarize PATH...",
		Short: "Summarize documents: files, folders and patterns",
		Long: `summarize has each document summarized by one request and writes the summaries
into a folder: one Markdown file per document, and summaries.jsonl with a line
about each. A PATH is a file, a folder (all documents in it, at any depth) or a
pattern such as 'docs/**/*.md'. Documents are source code and files with one of
these endings:

` + wrap(summarize.Extensions(), 78) + `

Calling it again asks only for what is new: documents whose content and
instructions are unchanged are passed over, a job that still runs is found
again, one that failed is tried again. Not by itself tried again is what may
have been paid for without an answer: a job that is held (--uncertain hold) or
whose response is lost or too large; the report says what a person can do. When
held jobs are all that is left they are not waited for. A document that is
larger than the model's context is refused by name and never cut.

Where the instructions are long enough for OpenAI's prompt cache, all requests
carry the same prompt_cache_key, as with --prompt-cache.

With --estimate it says what the documents that need a summary are likely to cost.
That needs neither Redis nor a key, and writes nothing.`,
		Example: `  enqueue summarize --dev docs README.md
  enqueue summarize docs --estimate
  enqueue summarize contracts --language German --out contracts/summaries`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name at least one document, folder or pattern")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&out, "out", "summaries", "folder for the summaries")
	flags.StringVar(&options.Model, "model", "", "model to ask (default: --openai-model)")
	flags.StringVar(&options.Instructions, "instructions", "", "what to ask for, instead of the usual summary")
	flags.StringVar(&options.Language, "language", "", "language of the summaries (default: that of each document)")
	flags.IntVar(&options.MaxOutputTokens, "max-output-tokens", 0, "bound on each summary, reasoning included")
	flags.IntVar(&options.ContextTokens, "context-tokens", 0, "size of the model's context, where it is not known")
	flags.BoolVar(&force, "force", false, "ask for all of them, also for those that are unchanged")
	estimateFlag(flags, &estimate)
	job.register(flags)
	cmd.RunE = c.do(func(ctx context.Context, cfg config.Config, args []string) error {
		if options.Model == "" && !flags.Changed("model") {
			options.Model = cfg.OpenAI.Model
		}
		jobOptions, err := job.options(flags, time.Now())
		if err != nil {
			return err
		}
		if err := options.Validate(); err != nil {
			return usageError{err}
		}
		if !flags.Changed("prompt-cache") {
			jobOptions.PromptCache = options.Cacheable()
		}
		if out == "" {
			return usage("--out: name a folder")
		}
		if most := jobOptions.GrowOutputTo; most > 0 && (options.MaxOutputTokens == 0 || most <= int64(options.MaxOutputTokens)) {
			return usage("--grow-output-to needs a lower --max-output-tokens: that is what grows")
		}
		r := &summarizeRun{
			cli: c, config: cfg, options: options, job: jobOptions, out: out, force: force, account: newAccount(time.Now()),
		}
		r.reader = summarize.NewReader(summarize.ReaderOptions{CacheDir: config.CacheDir()})
		do := r.run
		if estimate {
			do = r.estimate
		}
		return errors.Join(do(ctx, args), r.reader.Close())
	})
	return cmd
}
