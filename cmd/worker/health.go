package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthCommand asks /livez: the image has no shell and no curl.
func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Ask the worker on http.addr whether it lives; exit 0 if it does", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			if cfg.HTTP.Addr == "" {
				return &usageError{errors.New("http.addr is empty: the worker has no HTTP side to ask")}
			}
			url, err := localURL(cfg.HTTP.Addr)
			if err != nil {
				return err
			}
			request, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, url+"/livez", nil)
			if err != nil {
				return fmt.Errorf("ask worker: %w", err)
			}
			answer, err := (&http.Client{Timeout: 3 * time.Second}).Do(request)
			if err != nil {
				return fmt.Errorf("ask worker: %w", err)
			}
			defer func() { _ = answer.Body.Close() }()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("ask worker: it answers %s", answer.Status)
			}
			return nil
		},
	}
}

// localURL is where a listener on addr is reached from this machine.
func localURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", &usageError{fmt.Errorf("http.addr %q is no address: %w", addr, err)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
