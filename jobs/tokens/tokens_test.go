package tokens_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/tiktoken-go/tokenizer/codec"

	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

const unlimited = 1 << 40

func TestCount(t *testing.T) {
	// As OpenAI's own encoder counts with o200k_base.
	for text, want := range map[string]int{
		"": 0, "hello world": 2, "antidisestablishmentarianism": 6, "2 + 2 = 4": 7, "1234567890": 4,
		"漢字かな交じり文": 7, "Größe: 5 € – „gut“": 10, "if x <= 10 {\n\treturn nil\n}\n": 10, "👍🏽 don't WE'RE": 7,
	} {
		if got, _, err := tokens.Count(text, unlimited); err != nil || got != want {
			t.Errorf("Count(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
}

// Counting in windows gives what counting at once gives, wherever they are cut.
func TestCountInWindowsIsExact(t *testing.T) {
	pieces := []string{
		"the", " quick", ", Brown", " fox's", " \"jump\"", "\t(over)", "  the", "   lazy", "\r\n", "\n", "\n\n  ", "\n    if x <= 10 {",
		" // DÉJÀ vu…", "漢字かな交じり文", "\n漢字", "\n\u3000字", "\n\u3000\n", "\n\n\u3000\n", "\u3000\u3000\n\n\u3000\u3000\n\n", " 🙂👍🏽", " don't", " WE'RE", " 3.14159", " __init__", "\n/a/b/c", ")\n)", ")\n/",
		" ---", "\u00a0", " \n", "\n\u00a0x", "\u2028", ".", "...", "\n1", "\nA", "'s", " 's",
	}
	whole := codec.NewO200kBase()
	for seed := range uint64(25) {
		random := rand.New(rand.NewPCG(seed, 4))
		var b strings.Builder
		for range 300 {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		text := b.String()
		want, err := whole.Count(text)
		if err != nil {
			t.Fatal(err)
		}
		for usual := 16; usual < 80; usual += 7 {
			got, counted, err := tokens.CountInWindows(text, unlimited, usual, len(text))
			if err != nil || counted != len(text) {
				t.Fatalf("counted %d of %d bytes: %v", counted, len(text), err)
			}
			if got != want {
				t.Fatalf("seed %d: %d tokens in windows of %d bytes, %d at once, in %q", seed, got, usual, want, text)
			}
		}
	}
}

// A run without a place to cut is cut all the same, at the price of a few tokens.
func TestCountCutsAnEndlessRun(t *testing.T) {
	for name, text := range map[string]string{
		"letters": strings.Repeat("a", 20<<10),
		"kana":    strings.Repeat("かな", 3001),
		"tabs":    "a" + strings.Repeat("\t", 20<<10),
	} {
		t.Run(name, func(t *testing.T) {
			want, err := codec.NewO200kBase().Count(text)
			if err != nil {
				t.Fatal(err)
			}
			got, counted, err := tokens.CountInWindows(text, unlimited, 1<<10, 2<<10)
			if err != nil || counted != len(text) {
				t.Fatalf("counted %d of %d bytes: %v", counted, len(text), err)
			}
			if cuts := len(text) / (2 << 10); got < want-3*cuts || got > want+3*cuts {
				t.Errorf("%d tokens in windows, %d at once, with %d cuts", got, want, cuts)
			}
		})
	}
}

func TestCountStopsAtTheLimit(t *testing.T) {
	text := strings.Repeat(" word", 4<<20)
	n, counted, err := tokens.Count(text, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	if n <= 20_000 || n > 40_000 || counted > 200_000 {
		t.Errorf("counted %d tokens in %d bytes, want little more than 20000", n, counted)
	}
}

func BenchmarkCount(b *testing.B) {
	page, err := os.ReadFile("../summarize/testdata/report.html")
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat(string(page), 1<<20/len(page))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := tokens.Count(text, unlimited); err != nil {
			b.Fatal(err)
		}
	}
}
