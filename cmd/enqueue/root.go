package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// system is what a process gets from whoever starts it.
type system struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

// cli is one run of the command.
type cli struct {
	system
	// console is stderr: progress, remarks and errors.
	console *console
	args    []string
	// json makes stdout machine-readable: objects only, everything else on stderr.
	json      bool
	dev, live bool
	// earlier says that the command is about jobs of earlier ones, which --dev has none of.
	earlier bool
	start   starters
	// patience is how long Redis may be away before a run gives up.
	patience time.Duration
	// silence is how long something that this process does by itself goes without a word.
	silence time.Duration
	// watched reports whether somebody can be asked.
	watched func() bool
	// running says that the command line was understood: errors before that are
	// errors of usage.
	running bool
}

// run is the whole command in this process; it returns the exit code.
func run(ctx context.Context, args []string, sys system) int {
	c := &cli{
		system: sys, console: newConsole(sys.stderr), args: args,
		start: localStarters(), patience: 2 * time.Minute, silence: time.Second,
	}
	c.watched = func() bool { return c.console.terminal() && isTerminal(c.stdin) }
	return c.run(ctx)
}

func (c *cli) run(ctx context.Context) int {
	root := c.root() //nolint:contextcheck // commands get ctx from ExecuteContext
	root.SetArgs(c.args)
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.console)
	cmd, err := root.ExecuteContextC(ctx)
	return c.exit(cmd, err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "enqueue",
		Short: "Hand long requests of the OpenAI Responses API to background workers",
		Long: `enqueue hands requests of the OpenAI Responses API to Longhaul's workers, and
brings back what became of them. A job that was accepted goes on when this
command ends; every command can be stopped and taken up again.

Without --dev and --live the workers are other processes, and --redis-url names
the Redis that they share with this command.

Exit codes: 0 all succeeded, 1 something failed or is held, 2 the command or its
input is wrong and nothing was done.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(flagProblem)
	flags := root.PersistentFlags()
	flags.BoolVar(&c.json, "json", false, "print objects for machines on stdout, and everything else on stderr")
	flags.BoolVar(&c.dev, "dev", false, "run everything in this process: an embedded Redis, a worker and a stand-in model")
	flags.BoolVar(&c.live, "live", false, "run a worker in this process that asks OpenAI, with the key in OPENAI_API_KEY")
	flags.SortFlags = false
	config.AddFlags(flags, "redis", "blobs", "openai", "log")
	root.AddCommand(
		c.submitCommand(), c.batchCommand(), c.summarizeCommand(), c.runsCommand(), c.runCommand(), c.waitCommand(), c.watchCommand(),
		c.getCommand(), c.listCommand(), c.cancelCommand(), c.retryCommand(), c.deleteCommand(),
		c.releaseCommand(), c.failCommand(), c.adoptCommand(), c.lanesCommand(), c.budgetsCommand(), c.batchesCommand(), c.usageCommand(),
		c.versionCommand(),
	)
	return root
}

// flagProblem says of a flag's value what it should be, in place of how it was read.
func flagProblem(_ *cobra.Command, err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	var takes string
	switch bad.GetFlag().Value.Type() {
	case "int", "int64":
		takes = "a whole number"
	case "bool":
		takes = "true or false"
	case "float64":
		takes = "a number"
	case "duration":
		takes = "a length of time, such as 90s or 2h"
	default:
		return err
	}
	return fmt.Errorf("--%s: %q cannot be read; give %s", bad.GetFlag().Name, clip(bad.GetValue(), 40), takes)
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this build", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			c.running = true
			if c.json {
				return c.print(map[string]string{"version": version})
			}
			_, err := fmt.Fprintln(c.stdout, "enqueue", version)
			return err
		},
	}
}

// action is what a command does, with its configuration.
type action func(ctx context.Context, cfg config.Config, args []string) error

// do makes an action the body of a command.
func (c *cli) do(act action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if c.dev && c.live {
			return errors.New("--dev and --live exclude each other: a stand-in model, or OpenAI")
		}
		c.running = true
		cfg, err := config.Load(config.Sources{Flags: cmd.Flags(), Environ: c.environ})
		if err != nil {
			return err
		}
		return act(cmd.Context(), cfg, args)
	}
}

// elsewhere is do for a command about jobs of an earlier one, which --dev has
// forgotten.
func (c *cli) elsewhere(act action) func(*cobra.Command, []string) error {
	body := c.do(act)
	return func(cmd *cobra.Command, args []string) error {
		if c.dev {
			return fmt.Errorf("--dev: %s is about jobs of earlier commands, and what --dev keeps is lost when each one ends; "+
				"use a worker with a Redis, or --live", cmd.Name())
		}
		c.earlier = true
		return body(cmd, args)
	}
}

// print writes one object as a line on stdout.
func (c *cli) print(object any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// someIDs wants one job id or more.
func someIDs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("name at least one job id, as submit and list print it")
	}
	_, err := parseIDs(args)
	return err
}

// parseIDs reads job ids and reports every one that is none.
func parseIDs(args []string) ([]jobs.ID, error) {
	ids := make([]jobs.ID, len(args))
	var wrong []error
	for i, arg := range args {
		id, err := jobs.ParseID(arg)
		if err != nil {
			wrong = append(wrong, err)
		}
		ids[i] = id
	}
	return ids, errors.Join(wrong...)
}
