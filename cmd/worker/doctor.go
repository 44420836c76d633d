package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/app"
)

// errUnhealthy ends a doctor's visit that found something to mend.
var errUnhealthy = errors.New("something is to be mended; see above")

func doctorCommand(stdout, stderr io.Writer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look over Redis, the endpoints and the installation, and say what to do", Args: noArgs,
		Long: `doctor asks Redis and the endpoints what a worker with this configuration
depends on: persistence, eviction, version, clock, latency, topology,
permissions, keys and models. It changes nothing, but for a test blob that it
writes, reads and deletes in the blob store. The exit code is 0 when nothing
fails, and 1 otherwise.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			report, err := app.Examine(cmd.Context(), cfg, versionText(), newLogger(cfg, stderr))
			if err != nil {
				return err
			}
			write := report.WriteTable
			if asJSON {
				write = report.WriteJSON
			}
			if err := write(stdout); err != nil {
				return err
			}
			if report.Failed() {
				return errUnhealthy
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}
