package tokens_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

func TestEstimate(t *testing.T) {
	long := strings.Repeat("The harbour was rebuilt after the storm. ", 20_000) // 9 tokens each
	file := base64.StdEncoding.EncodeToString(make([]byte, 60<<10))             // 20 pages
	tests := []struct {
		name, body  string
		least, most int
		output      int
	}{
		{"text", `{"model":"gpt-4.1","input":"hello world"}`, 2, 10, 0},
		{"instructions count", `{"instructions":"hello world","input":"hello world","max_output_tokens":500}`, 4, 12, 500},
		{"items", `{"input":[{"role":"user","content":[{"type":"input_text","text":"hello world"}]}]}`, 8, 25, 0},
		{"a long text is taken to be like its beginning", `{"input":` + quoted(long) + `}`, 160_000, 200_000, 0},
		{"picture", `{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,` + file + `"}]}]}`, 765, 800, 0},
		{"picture in low detail", `{"input":[{"role":"user","content":[{"type":"input_image","image_url":"x","detail":"low"}]}]}`, 85, 120, 0},
		{"file", `{"input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"` + file + `"}]}]}`, 20_000, 20_060, 0},
		{"file by its name", `{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}`, 10_000, 10_050, 0},
		{"schema", `{"input":"hi","text":{"format":{"type":"json_schema","name":"a","schema":{"description":"hello world"}}}}`, 5, 40, 0},
		{"no object", `[1]`, 0, 0, 0},
		{"cut", `{"input":[{"content":"hello`, 0, 0, 0},
		{"absurd cap", `{"input":"hi","max_output_tokens":1e300}`, 1, 10, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tokens.Estimate([]byte(tt.body))
			if got.Input < tt.least || got.Input > tt.most || got.Output != tt.output {
				t.Errorf("got %+v, want %d to %d and %d", got, tt.least, tt.most, tt.output)
			}
		})
	}
}

func TestLimitedIsTheLarger(t *testing.T) {
	if got := (tokens.Need{Input: 3, Output: 5}).Limited(); got != 5 {
		t.Errorf("got %d, want 5", got)
	}
	if got := (tokens.Need{Input: 7, Output: 5}).Limited(); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
}

func FuzzEstimate(f *testing.F) {
	f.Add([]byte(`{"input":[{"type":"input_file","file_data":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if n := tokens.Estimate(body); n.Output < 0 {
			t.Errorf("%+v", n)
		}
	})
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always can be written
	}
	return string(b)
}
