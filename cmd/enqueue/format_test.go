package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "2h30m": 150 * time.Minute, "3d": 72 * time.Hour, "1d12h": 36 * time.Hour,
	} {
		if got, err := span(text); err != nil || got != want {
			t.Errorf("span(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "2", "d", "-1d", "1.5d", "1dx", "2w", "99999999d"} {
		if got, err := span(text); err == nil {
			t.Errorf("span(%q) = %v, want an error", text, got)
		}
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "2h": now.Add(2 * time.Hour), "1d": now.Add(24 * time.Hour),
		"2026-12-01T10:00:00+01:00": time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC),
	} {
		if got, err := moment("deadline", text, now); err != nil || !got.Equal(want) {
			t.Errorf("moment(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := moment("deadline", "tomorrow", now); jobs.ClassOf(err) != jobs.ClassInvalid || jobs.FailureOf(err).Param != "deadline" {
		t.Errorf("moment(tomorrow) = %v, want an error about the deadline", err)
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	got := map[string]string{
		"count 0":        formatCount(0),
		"count 999":      formatCount(999),
		"count 1000":     formatCount(1000),
		"count 1234567":  formatCount(1234567),
		"count -1234":    formatCount(-1234),
		"tokens few":     formatTokens(9999),
		"tokens many":    formatTokens(12_345),
		"tokens most":    formatTokens(12_345_678),
		"elapsed none":   formatElapsed(-time.Second),
		"elapsed short":  formatElapsed(1234 * time.Millisecond),
		"elapsed long":   formatElapsed(3*time.Hour + 1500*time.Millisecond),
		"elapsed days":   formatElapsed(75 * time.Hour),
		"usage":          formatUsage(jobs.Usage{InputTokens: 1200, OutputTokens: 3}),
		"usage in parts": formatUsage(jobs.Usage{InputTokens: 12, CachedTokens: 5, OutputTokens: 3, ReasoningTokens: 2}),
		"usage written":  formatUsage(jobs.Usage{InputTokens: 12, CachedTokens: 5, CacheWriteTokens: 6, OutputTokens: 3}),
		"clip":           clip("a\x1b[31mb\nc", 8),
		"clip none":      clip("äöü", 3),
		"clip one":       clip("äöü", 2),
		"clip wide":      clip("要約する文書", 8),
		"clip wide odd":  clip("要約する文書", 7),
		"clip nothing":   clip("a", 0),
		"one":            plural(1, "line", "lines"),
		"many":           plural(2000, "line", "lines"),
	}
	want := map[string]string{
		"count 0": "0", "count 999": "999", "count 1000": "1,000", "count 1234567": "1,234,567", "count -1234": "-1,234",
		"tokens few": "9,999", "tokens many": "12.3k", "tokens most": "12.35M",
		"elapsed none": "0s", "elapsed short": "1.2s", "elapsed long": "3h0m2s", "elapsed days": "3d3h",
		"usage": "1,200 in, 3 out", "usage in parts": "12 in (5 cached), 3 out (2 reasoning)",
		"usage written": "12 in (5 cached, 6 written into the cache), 3 out",
		"clip":          "a [31mb…", "clip none": "äöü", "clip one": "ä…", "clip wide": "要約す…", "clip wide odd": "要約す…", "clip nothing": "",
		"one": "1 line", "many": "2,000 lines",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("formats (-want +got):\n%s", diff)
	}
}
