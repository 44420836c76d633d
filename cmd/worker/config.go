package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

func configCommand(stdout io.Writer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "config", Short: "Show the configuration in force, secrets left out, and where each value came from", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return config.WriteJSON(stdout, cfg.Table())
			}
			return config.WriteTable(stdout, cfg.Table())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}
