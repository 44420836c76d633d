package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// csvHeader is the first line of an export; the help of list has it, too.
func csvHeader() []string {
	return []string{
		"id", "state", "class", "code", "message", "lane", "group", "tenant", "model", "attempts",
		"input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "cost_usd", "created", "ended", "response_ids",
	}
}

// csvPrinter writes jobs as lines of comma-separated values, each of them on one
// line whatever a message holds.
func csvPrinter(w io.Writer) func([]jobs.Job) error {
	out := csv.NewWriter(w)
	header := true
	return func(page []jobs.Job) error {
		if header {
			header = false
			_ = out.Write(csvHeader()) // Error tells of all writes at once
		}
		for _, j := range page {
			_ = out.Write(csvLine(j))
		}
		out.Flush()
		if err := out.Error(); err != nil {
			return fmt.Errorf("write to stdout: %w", err)
		}
		return nil
	}
}

func csvLine(j jobs.Job) []string {
	var f jobs.Failure
	if j.Failure != nil {
		f = *j.Failure
	}
	var responses []string
	for _, a := range j.Attempts {
		if a.ResponseID != "" {
			responses = append(responses, a.ResponseID)
		}
	}
	u := paid(j)
	n := func(i int64) string { return strconv.FormatInt(i, 10) }
	return []string{
		string(j.ID), string(j.State), string(f.Class), printable(f.Code), printable(f.Message), j.Lane, j.Group, j.Tenant, printable(j.Model),
		strconv.Itoa(tries(j)), n(u.InputTokens), n(u.CachedTokens), n(u.CacheWriteTokens), n(u.OutputTokens), n(u.ReasoningTokens), csvCost(spentOn(j)),
		csvTime(j.Created), csvTime(j.Ended), printable(strings.Join(responses, " ")),
	}
}

// csvCost is empty before there is a bill, and where not all of it is known.
func csvCost(s spent) string {
	if s.known == 0 || s.unknown > 0 {
		return ""
	}
	return bare(s.cost)
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
