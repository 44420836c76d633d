package responses_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/longhaul-jobs/longhaul/internal/responses"
)

// refusal is an answer of 400 with that message.
func refusal(t *testing.T, message string) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error"}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestMessageIsScrubbed(t *testing.T) {
	t.Parallel()
	long := "The patient, born on 4 May 1961, came in with a persistent cough and a history of asthma."
	request := `{"model":"gpt-4.1","input":[{"type":"message","role":"assistant","content":[` +
		`{"type":"input_text","text":` + quoted(long) + `}]},"hunter22"],` +
		`"instructions":"Answer in verse.","metadata":{"name":"Miller & Sons"},"text":{"format":{"name":"verdict"}}}`
	tests := []struct {
		name, message, want string
	}{
		{"plain", "Unknown parameter: 'foo'.", "Unknown parameter: 'foo'."},
		{"OpenAI's masked key", "Incorrect API key provided: sk-proj-********abcd. You can find it.", "Incorrect API key provided: [key] You can find it."},
		{"masked key of another form", "Incorrect API key provided: a1b2c3d4********wxyz.", "Incorrect API key provided: [key]"},
		{"our key", "key " + testKey + " is bad", "key [key] is bad"},
		{"another key", "key 'sk-live_abcDEF123' is bad", "key '[key]' is bad"},
		{"key with a mark in it", "key " + testKey[:12] + "\u200b" + testKey[12:] + " is bad", "key [key] is bad"},
		{"header", "got Authorization: Bearer abc.def.ghi instead", "got Authorization: [key] instead"},
		{"word that only looks like one", "the task-force asks for sketches", "the task-force asks for sketches"},
		{"control characters", "one\r\n\ttwo\x00 three\x1b[31m", "one two three [31m"},
		{"text that hides text", "abc\u202edef\u200bghi", "abcdefghi"},
		{"not UTF-8", "a\xffb", "ab"},
		{"only white space", " \n ", "HTTP 400 with JSON that says nothing usable"},
		{"whole prompt", "Invalid value: '" + long + "'.", "Invalid value: '[…]'."},
		{"part of the prompt", "Invalid value: 'born on 4 May 1961, came in with a pers...'.", "Invalid value: '[…]...'."},
		{"short prompt", "Invalid value: 'hunter22'.", "Invalid value: '[…]'."},
		{"instructions", "cannot do Answer in verse. here", "cannot do […] here"},
		{"metadata", "metadata of Miller & Sons", "metadata of […]"},
		{"words of the API stay", "role 'assistant' takes no 'input_text' in verdict", "role 'assistant' takes no 'input_text' in verdict"},
		{"long", strings.Repeat("é", 200), strings.Repeat("é", 148) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := newClient(t).FailWith("create", 400, nil, refusal(t, tt.message), []byte(request))
			if got.Message != tt.want {
				t.Errorf("message = %q, want %q", got.Message, tt.want)
			}
			wantShowable(t, "message", got.Message, 300)
		})
	}
}

func TestKeyOfAnyFormIsHidden(t *testing.T) {
	t.Parallel()
	const key = "0123456789abcdef0123456789abcdef"
	c := newClient(t, func(c *responses.Config) { c.APIKey = key })
	got := c.FailWith("look", 401, nil, refusal(t, "the key "+key+" is bad"), nil)
	if want := "the key [key] is bad"; got.Message != want {
		t.Errorf("message = %q, want %q", got.Message, want)
	}
}

func TestCreateDoesNotRepeatItsPrompt(t *testing.T) {
	t.Parallel()
	const canary = "the merger with Alba Foods"
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		answer(400, string(refusal(t, "cannot read "+string(sent))))(w, r)
	})
	_, err := s.client(t).Create(t.Context(), []byte(`{"model":"gpt-4.1","input":"`+canary+`"}`), "")
	f := failure(t, err)
	if strings.Contains(err.Error(), canary) || f.Message != `cannot read {"model":"gpt-4.1","input":"[…]"}` {
		t.Errorf("error = %q, want it without the prompt", err)
	}
}

func TestEveryPartOfALongPromptIsHidden(t *testing.T) {
	t.Parallel()
	prompt := "Dear Ms Winter, the merger with Alba Foods will be announced on Monday; until then not a word to anybody, please."
	request := []byte(`{"input":` + quoted(prompt) + `}`)
	c := newClient(t)
	const run = 32
	for i := 0; i+run <= len(prompt); i++ {
		part := prompt[i : i+run]
		got := c.FailWith("create", 400, nil, refusal(t, "cannot read «"+part+"» here"), request).Message
		if want := "cannot read «[…]» here"; got != want {
			t.Errorf("message = %q, want %q", got, want)
		}
	}
}

func TestWordsAreScrubbed(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(map[string]any{"error": map[string]any{
		"message": "m", "code": "a\nb" + strings.Repeat("x", 500), "type": "Bearer " + testKey, "param": testKey,
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := newClient(t).FailWith("look", 400, nil, body, nil)
	for name, value := range map[string]string{"code": got.Code, "type": got.Type, "param": got.Param} {
		wantShowable(t, name, value, 128)
	}
	if !strings.HasPrefix(got.Code, "a bxxx") || got.Type != "[key]" || got.Param != "[key]" {
		t.Errorf("code %q, type %q, param %q; want the begin of the code and no key", got.Code, got.Type, got.Param)
	}
}

// wantShowable checks that a text of the provider can be stored and logged.
func wantShowable(t *testing.T, name, text string, limit int) {
	t.Helper()
	if len(text) > limit {
		t.Errorf("%s has %d bytes, want at most %d: %q", name, len(text), limit, text)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
		t.Errorf("%s = %q, want valid text without control characters", name, text)
	}
	if strings.Contains(text, testKey) {
		t.Errorf("%s = %q, which has the key", name, text)
	}
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
