package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
)

// version is set by the linker in releases.
var version = ""

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "worker",
		Short: "Longhaul's daemon: long-running OpenAI Responses API requests as durable background jobs",
		Long: `worker submits jobs to OpenAI's Responses API in the background, watches the
responses until they end, and keeps their results in Redis.

Settings come from flags, then LONGHAUL_… environment variables, then a file
(--config, or longhaul.yaml), then defaults; OPENAI_API_KEY and OPENAI_BASE_URL
are honoured. See "worker config" for what is in force and why.`,
		SilenceUsage: true, SilenceErrors: true,
		Args: unknownCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	config.AddFlags(root.PersistentFlags())
	root.AddCommand(runCommand(stderr), devCommand(stdout, stderr), simulateCommand(stdout, stderr),
		configCommand(stdout), doctorCommand(stdout, stderr), healthCommand(), versionCommand(stdout))
	return root
}

// noArgs refuses arguments as bad usage.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%s takes no argument %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

// unknownCommand refuses what is no command of the root.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%q is no command; see %s --help", args[0], cmd.CommandPath())}
	}
	return nil
}

func load(cmd *cobra.Command) (config.Config, error) {
	return config.Load(config.Sources{Flags: cmd.Flags()})
}

// newLogger writes text on a terminal and JSON otherwise, unless configured.
func newLogger(cfg config.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Log.Level}
	file, ok := w.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	if cfg.Log.Format == config.LogText || cfg.Log.Format == config.LogAuto && terminal {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func runCommand(stderr io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Work until SIGTERM or SIGINT, then drain", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			a, err := app.New(cmd.Context(), app.Options{Config: cfg, Log: newLogger(cfg, stderr), Version: versionText()})
			if err != nil {
				return err
			}
			defer holdHeap()()
			return a.Run(cmd.Context())
		},
	}
}

func devCommand(stdout, stderr io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "dev", Short: "Work with an embedded Redis and a simulated OpenAI; nothing else is needed", Args: noArgs,
		Long: `dev is a whole installation in one process: an embedded Redis where redis.url
points, the simulated OpenAI on simulator.addr, and a worker. "enqueue" in
another terminal finds it by itself. All is lost when it stops, and the model is
a stand-in: nothing is sent to OpenAI.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			local, err := app.ServeDev(cmd.Context(), cfg, newLogger(cfg, stderr), versionText())
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintln(stdout, local.Notice())
			for _, addr := range local.Addresses() {
				_, _ = fmt.Fprintln(stdout, addr)
			}
			_, _ = fmt.Fprintln(stdout, "ready; stop with Ctrl-C")
			<-cmd.Context().Done()
			return local.Stop()
		},
	}
}

func simulateCommand(stdout, stderr io.Writer) *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "simulate", Short: "Serve only the simulated OpenAI Responses API", Args: noArgs,
		Long: `simulate serves a stand-in for OpenAI's Responses API: background responses,
streams, projects, limits and webhooks. It misbehaves on demand (PUT /_sim/faults),
changes while it serves (PUT /_sim/config), and keeps an account of what was asked
of it (GET /_sim/ledger).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			if addr != "" {
				cfg.Simulator.Addr = addr
			}
			sim, err := app.ListenSimulator(cmd.Context(), cfg, cfg.Simulator.Addr, newLogger(cfg, stderr))
			if err != nil {
				return err
			}
			keys := "any API key"
			if cfg.Simulator.APIKeys.Reveal() != "" {
				keys = "the configured API keys"
			}
			_, _ = fmt.Fprintf(stdout, "simulator: base URL %s, %s; the model is a stand-in\n", sim.URL(), keys)
			return sim.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "address to listen on (short for --simulator-addr)")
	return cmd
}

func versionCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(stdout, "worker %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// versionText is the linked version, or what the build knows of itself.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}
