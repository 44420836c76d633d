package summarize_test

import (
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestInputTokens(t *testing.T) {
	tests := []struct {
		name  string
		opts  summarize.Options
		want  int
		known bool
	}{
		{"gpt-4.1", summarize.Options{Model: "gpt-4.1"}, 1_043_480, true},
		{"a dated version", summarize.Options{Model: "gpt-4.1-mini-2025-04-14"}, 1_043_480, true},
		{"a fine-tuned model", summarize.Options{Model: "ft:gpt-4.1-nano-2025-04-14:acme::abc"}, 1_043_480, true},
		{"through a gateway", summarize.Options{Model: "openai/GPT-4o"}, 123_904, true},
		{"an answer of given length", summarize.Options{Model: "gpt-4o", MaxOutputTokens: 16_384}, 111_616, true},
		{"reasoning needs room", summarize.Options{Model: "o3"}, 175_000, true},
		{"an input limit of its own", summarize.Options{Model: "gpt-5-mini"}, 272_000, true},
		{"a short answer does not widen it", summarize.Options{Model: "gpt-5.1", MaxOutputTokens: 1000}, 272_000, true},
		{"the chat model of a family", summarize.Options{Model: "gpt-5.2-chat-latest"}, 123_904, true},
		{"a small model of a large family", summarize.Options{Model: "gpt-5.4-nano-2026-03-17"}, 272_000, true},
		{"a large family", summarize.Options{Model: "gpt-5.4"}, 922_000, true},
		{"gpt-5.6", summarize.Options{Model: "gpt-5.6-luna"}, 922_000, true},
		{"a later version is not its forerunner", summarize.Options{Model: "gpt-5.9"}, 0, false},
		{"a name that only begins alike", summarize.Options{Model: "o3000"}, 0, false},
		{"an unknown model", summarize.Options{Model: "in-house"}, 0, false},
		{"an unknown model of stated size", summarize.Options{Model: "in-house", ContextTokens: 8192}, 6144, true},
		{"a known model of stated size", summarize.Options{Model: "gpt-5", ContextTokens: 1_000_000}, 975_000, true},
		{"a stated size and answer", summarize.Options{Model: "in-house", ContextTokens: 8192, MaxOutputTokens: 192}, 8000, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, known := tt.opts.InputTokens()
			if got != tt.want || known != tt.known {
				t.Errorf("InputTokens = %d, %t, want %d, %t", got, known, tt.want, tt.known)
			}
		})
	}
}
