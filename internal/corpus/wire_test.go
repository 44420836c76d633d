//go:build corpus

package corpus_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// wire stands between a worker and the provider and keeps what each job has sent to be
// read. The simulator keeps its requests shortened.
type wire struct {
	// url is what a worker takes for the provider's address.
	url string

	mu   sync.Mutex
	sent map[jobs.ID]sent
}

// sent is what a request has given to be read: a message, or a file.
type sent struct {
	message string
	file    []byte
}

func newWire(t *testing.T, provider string) *wire {
	t.Helper()
	to, err := url.Parse(strings.TrimSuffix(provider, "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{sent: make(map[jobs.ID]sent)}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/responses" {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = w.keep(body)
			}
			if err != nil {
				t.Errorf("a create that cannot be read: %v", err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		proxy.ServeHTTP(answer, r)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL + "/v1"
	return w
}

// keep takes down what a create has sent.
func (w *wire) keep(body []byte) error {
	var request struct {
		Metadata map[string]string `json:"metadata"`
		Input    []struct {
			Content json.RawMessage `json:"content"`
		} `json:"input"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return err
	}
	if len(request.Input) != 1 {
		return fmt.Errorf("%d messages", len(request.Input))
	}
	var s sent
	if content := request.Input[0].Content; json.Unmarshal(content, &s.message) != nil {
		var parts []struct {
			Data string `json:"file_data"`
		}
		if err := json.Unmarshal(content, &parts); err != nil {
			return err
		}
		_, data, _ := strings.Cut(parts[0].Data, ";base64,")
		var err error
		if s.file, err = base64.StdEncoding.DecodeString(data); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[jobs.ID(request.Metadata[jobs.MetadataJob])] = s
	return nil
}

// of returns what a job has sent.
func (w *wire) of(id jobs.ID) (sent, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.sent[id]
	return s, ok
}

// pieces returns what a message has of a document, section by section: without the lines
// that carry its code, and without what it repeats of the part before.
func pieces(message string) ([]string, error) {
	_, rest, begun := strings.Cut(message, "\n===== BEGIN DOCUMENT ")
	code, body, marked := strings.Cut(rest, " =====\n")
	body, after, closed := strings.Cut(body, "===== END DOCUMENT "+code+" =====\n")
	if !begun || !marked || !closed || after != "" {
		return nil, fmt.Errorf("no document stands in %.200q", message)
	}
	var list []string
	var piece strings.Builder
	repeated := false
	end := func() {
		if !repeated && piece.Len() > 0 {
			list = append(list, piece.String())
		}
		piece.Reset()
	}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "===== ") && strings.HasSuffix(line, " "+code+" =====\n") {
			end()
			repeated = strings.HasPrefix(line, "===== BEFORE THIS PART,")
			continue
		}
		piece.WriteString(line)
	}
	end()
	return list, nil
}

// covered returns how many bytes of a text the pieces have, one behind another: all of
// them, or those before the first that is missing. A piece may end with a line break that
// the text does not have there.
func covered(text string, pieces []string) int {
	reached := []int{0}
	for _, piece := range pieces {
		open, broken := strings.CutSuffix(piece, "\n")
		var next []int
		for _, at := range reached {
			if strings.HasPrefix(text[at:], piece) {
				next = append(next, at+len(piece))
			}
			if broken && strings.HasPrefix(text[at:], open) {
				next = append(next, at+len(open))
			}
		}
		if len(next) == 0 {
			return reached[0]
		}
		reached = next[:min(len(next), 4)]
	}
	for _, at := range reached {
		if at == len(text) {
			return at
		}
	}
	return reached[0]
}

// TestCoveredMissesNothing takes a piece away, changes a letter, and swaps two: what
// proves that nothing was lost has to notice.
func TestCoveredMissesNothing(t *testing.T) {
	t.Parallel()
	text := "One.\nTwo.\n\nThree"
	for name, tt := range map[string]struct {
		pieces []string
		want   int
	}{
		"all of it":         {[]string{"One.\n", "Two.\n\n", "Three\n"}, len(text)},
		"an open line":      {[]string{"One.\nTw\n", "o.\n\nThree"}, len(text)},
		"two ways to go on": {[]string{"One.\nTwo.\n", "\nThree\n"}, len(text)},
		"without the end":   {[]string{"One.\n", "Two.\n\n", "Thre\n"}, len(text) - 1},
		"without one":       {[]string{"One.\n", "Three"}, 5},
		"another letter":    {[]string{"One.\n", "Twø.\n\n", "Three"}, 5},
		"another order":     {[]string{"Two.\n\n", "One.\n", "Three"}, 0},
	} {
		if got := covered(text, tt.pieces); got != tt.want {
			t.Errorf("%s: %d bytes, want %d", name, got, tt.want)
		}
	}
}
