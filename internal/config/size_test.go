package config_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want int
	}{
		{"0", 0},
		{"65536", 65536},
		{"007", 7},
		{"1B", 1},
		{"64KiB", 64 << 10},
		{"64 kib", 64 << 10},
		{"32MB", 32_000_000},
		{"32mb", 32_000_000},
		{"5kB", 5000},
		{"1MiB", 1 << 20},
		{"2GB", 2_000_000_000},
		{"2GiB", 2 << 30},
		{strconv.Itoa(math.MaxInt), math.MaxInt},
	}
	for _, tt := range tests {
		got, err := config.ParseSize(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{
		"", " ", "B", "KiB", "-1", "+1", "1.5MiB", "1e3", "0x10", "64K", "64M", "64Ki", "64KiBs", "64KiB 1", " 64", "64 ", "1_000",
		"٣", "9223372036854775808", "9007199254740993KiB", "99999999999GiB",
	} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestFormatSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		n    int
		want string
	}{
		{0, "0B"},
		{1, "1B"},
		{1000, "1kB"},
		{1024, "1KiB"},
		{1025, "1025B"},
		{64 << 10, "64KiB"},
		{32_000_000, "32MB"},
		{1_024_000, "1000KiB"},
		{3 << 30, "3GiB"},
		{5_000_000_000, "5GB"},
	}
	for _, tt := range tests {
		if got := config.FormatSize(tt.n); got != tt.want {
			t.Errorf("FormatSize(%d) = %q, want %q", tt.n, got, tt.want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"", "0", "65536", "64KiB", "32 MB", "9223372036854775807", "9999999999GiB", "-1", "1.5MiB", "1İB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := config.ParseSize(text)
		if err != nil {
			if n != 0 {
				t.Errorf("ParseSize(%q) = %d beside the error %v", text, n, err)
			}
			return
		}
		if n < 0 {
			t.Errorf("ParseSize(%q) = %d, below zero", text, n)
		}
		written := config.FormatSize(n)
		if again, err := config.ParseSize(written); err != nil || again != n {
			t.Errorf("ParseSize(%q) = %d, written %q, which reads as %d, %v", text, n, written, again, err)
		}
	})
}
