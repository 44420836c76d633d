package simulator_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// statementsSchema has statements with quotes, and things that are mentioned.
const statementsSchema = `{"type":"object","properties":{
	"title":{"type":"string"},
	"key_points":{"type":"array","items":{"type":"object","properties":{"text":{"type":"string"},"sources":{"type":"array","items":{"type":"object",
		"properties":{"section":{"type":["integer","null"]},"quote":{"type":"string"}},"required":["section","quote"],"additionalProperties":false}}},
		"required":["text","sources"],"additionalProperties":false}},
	"dates":{"type":"array","items":{"type":"object","properties":{"value":{"type":"string"},"meaning":{"type":"string"}},"required":["value","meaning"],"additionalProperties":false}}},
	"required":["title","key_points","dates"],"additionalProperties":false}`

// summaryOf is the answer to material with a schema.
func summaryOf(tb testing.TB, sim *simulator.Simulator, schema, instructions, input string, headers ...string) (text string, body object) {
	tb.Helper()
	response := create(tb, sim, object{
		"model": "gpt-4.1", "instructions": instructions, "input": input,
		"text": object{"format": object{"type": "json_schema", "name": "a", "strict": true, "schema": json.RawMessage(schema)}},
	}, headers...)
	text, _ = at(response, "output", 0, "content", 0, "text").(string)
	if json.Unmarshal([]byte(text), &body) != nil {
		body = nil
	}
	return text, body
}

// pages are marked pages of sentences that differ, and what stands on each of them.
func pages(n int) (input string, texts map[float64]string) {
	var b strings.Builder
	b.WriteString("Title: \"T\"\n\n===== BEGIN DOCUMENT c0de =====\n===== BEFORE THIS PART, for its context only c0de =====\nThis was said on the page before and is not to be quoted.\n")
	texts = make(map[float64]string)
	for i := 1; i <= n; i++ {
		text := fmt.Sprintf("On page %d the harbour of town %d was rebuilt on 3 May %d.\nIts\nwalls are %d metres  high. ===== Page 99 =====\n", i, i*7, 1900+i, i*3)
		texts[float64(i)] = strings.Join(strings.Fields(text), " ")
		fmt.Fprintf(&b, "===== Page %d c0de =====\n%s", i, text)
	}
	b.WriteString("===== END DOCUMENT c0de =====\n")
	return b.String(), texts
}

// cited counts the quotes of an answer, and those that do not stand where it says.
func cited(body object, texts map[float64]string) (quotes, wrong int) {
	points, _ := body["key_points"].([]any)
	for i := range points {
		section, _ := at(body, "key_points", i, "sources", 0, "section").(float64)
		quote, _ := at(body, "key_points", i, "sources", 0, "quote").(string)
		quotes++
		if quote == "" || !strings.Contains(texts[section], quote) {
			wrong++
		}
	}
	return quotes, wrong
}

func TestQuotesStandInTheirSection(t *testing.T) {
	input, texts := pages(40)
	_, body := summaryOf(t, newSimulator(t, simulator.Config{}), statementsSchema, "Summarize.", input)
	if quotes, wrong := cited(body, texts); quotes < 5 || wrong > 0 {
		t.Errorf("%d quotes, %d of them wrong", quotes, wrong)
	}
	if date, _ := at(body, "dates", 0, "value").(string); !strings.HasPrefix(date, "3 May 19") {
		t.Errorf("date %q, want one of the text", date)
	}
}

func TestQuotesAreWrongOnPurpose(t *testing.T) {
	sim := newSimulator(t, simulator.Config{WrongCitations: 0.25})
	quotes, wrong := 0, 0
	for i := range 60 {
		input, texts := pages(5 + i)
		_, body := summaryOf(t, sim, statementsSchema, "Summarize.", input)
		_, again := summaryOf(t, sim, statementsSchema, "Summarize.", input)
		if fmt.Sprint(body) != fmt.Sprint(again) {
			t.Fatal("the same material was quoted in two ways")
		}
		q, w := cited(body, texts)
		quotes, wrong = quotes+q, wrong+w
	}
	if share := float64(wrong) / float64(quotes); share < 0.15 || share > 0.35 {
		t.Errorf("%d of %d quotes are wrong, want a quarter", wrong, quotes)
	}
}

func TestReferencesAreToWhatIsThere(t *testing.T) {
	const schema = `{"type":"object","properties":{
		"points":{"type":"array","items":{"type":"object","properties":{"text":{"type":"string"},"from":{"type":"array","items":{"type":"string","pattern":"^[K][0-9]+$"}}},
			"required":["text","from"],"additionalProperties":false}},
		"dates":{"type":"array","items":{"type":"string","pattern":"^[D][0-9]+$"}}},"required":["points","dates"],"additionalProperties":false}`
	var b strings.Builder
	b.WriteString("===== BEGIN SUMMARIES c0de =====\n===== PART: one c0de =====\nSummary: A summary of some length.\nKey points:\n")
	for i := range 30 {
		fmt.Fprintf(&b, "K%d: Statement number %d.\n", i+1, i+1)
	}
	b.WriteString("Dates:\nD1: 3 May - the day\n===== END SUMMARIES c0de =====\n")
	_, body := summaryOf(t, newSimulator(t, simulator.Config{}), schema, "Merge.", b.String())
	points, _ := body["points"].([]any)
	named := make(map[any]bool)
	for i := range points {
		from, _ := at(body, "points", i, "from").([]any)
		for _, id := range from {
			named[id] = true
		}
		if text, want := at(body, "points", i, "text"), "Statement number "+strings.TrimPrefix(fmt.Sprint(at(body, "points", i, "from", 0)), "K")+"."; text != want {
			t.Errorf("text %q, want %q", text, want)
		}
	}
	if len(points) == 0 || len(points) > 10 || len(named) != 30 {
		t.Errorf("%d statements of %d, want few of all 30", len(points), len(named))
	}
	if fmt.Sprint(body["dates"]) != "[D1]" {
		t.Errorf("dates %v", body["dates"])
	}
}

func TestQuestionsAreAnsweredFromTheMaterial(t *testing.T) {
	const schema = `{"type":"object","properties":{"answered":{"type":"boolean"}},"required":["answered"],"additionalProperties":false}`
	input, _ := pages(3)
	for question, want := range map[string]bool{"When was the harbour rebuilt?": true, "Who won the chess tournament?": false} {
		_, body := summaryOf(t, newSimulator(t, simulator.Config{}), schema, "Answer.\n\nThe question: "+question+"\n\nMore.", input)
		if body["answered"] != want {
			t.Errorf("%s: answered %v, want %v", question, body["answered"], want)
		}
	}
}

func TestAnswersAreSpoiledAndMended(t *testing.T) {
	input, _ := pages(20)
	sim := newSimulator(t, simulator.Config{})
	right, _ := summaryOf(t, sim, statementsSchema, "Summarize.", input)
	for _, how := range []string{"cut", "misshapen"} {
		t.Run(how, func(t *testing.T) {
			spoiled, body := summaryOf(t, sim, statementsSchema, "Summarize.", input, "X-Simulator-Fault: answer="+how)
			if spoiled == right || how == "cut" && body != nil || how == "misshapen" && (body == nil || body["dates"] != nil) {
				t.Fatalf("spoiled answer %.200s", spoiled)
			}
			_, mended := summaryOf(t, sim, statementsSchema, "Mend it.", "===== BEGIN ANSWER c0de =====\n"+spoiled+"\n===== END ANSWER c0de =====\n")
			points, _ := mended["key_points"].([]any)
			dates, ok := mended["dates"].([]any)
			if len(points) == 0 || !ok || len(dates) > 0 {
				t.Errorf("mended to %v", mended)
			}
		})
	}
}

func TestTokensAreCountedAsModelsDo(t *testing.T) {
	sim := newSimulator(t, simulator.Config{ExactTokens: true})
	input := strings.Repeat("The harbour was rebuilt after the storm.\n", 10_000)
	response := create(t, sim, object{"input": input})
	// Each line is eight tokens.
	if n, _ := at(response, "usage", "input_tokens").(float64); n < 80_000 || n > 80_020 {
		t.Errorf("%v input tokens, want 80,000 and a few", n)
	}
	if n, _ := at(response, "usage", "output_tokens").(float64); n == 0 {
		t.Error("no output tokens")
	}
}

func TestAnswersAreAsLongAsItIsSaid(t *testing.T) {
	t.Parallel()
	sim := newSimulator(t, simulator.Config{})
	schema := strings.Replace(statementsSchema, `"title":{"type":"string"},`, `"title":{"type":"string"},"summary":{"type":"string"},`, 1)
	schema = strings.Replace(schema, `"required":["title",`, `"required":["title","summary",`, 1)
	input, texts := pages(200)
	before := 0
	for _, words := range []int{30, 300, 1000} {
		answer, body := summaryOf(t, sim, schema, "", input, fmt.Sprintf("X-Simulator-Fault: words=%d", words))
		summary, _ := body["summary"].(string)
		if got := len(strings.Fields(summary)); got > words || got < words*3/4 {
			t.Errorf("a summary of %d words, want about %d", got, words)
		}
		if quotes, wrong := cited(body, texts); quotes != max(1, words/25) || wrong > 0 {
			t.Errorf("%d statements, %d of them quoted wrongly, want %d", quotes, wrong, max(1, words/25))
		}
		if len(answer) <= before {
			t.Errorf("%d bytes for %d words, no more than for fewer", len(answer), words)
		}
		before = len(answer)
	}
	if got := call(t, sim, "PUT", "/_sim/faults", `{"rules":[{"match":{"op":"create"},"action":{"words":-1}}]}`); got.status != 400 {
		t.Errorf("a negative number of words: %d", got.status)
	}
}

// Of a file nobody can say what stands on a page, but the pages that an answer cites are there,
// or as many are not as it is said.
func TestPagesOfFilesAreThere(t *testing.T) {
	three := pdftest.Document{Pages: []pdftest.Page{{}, {}, {}}}.Bytes()
	for _, tt := range []struct {
		name  string
		data  []byte
		pages float64
		wrong float64
	}{
		{"a PDF", three, 3, 0},
		{"another file", []byte("Some text."), 1, 0},
		{"cited wrongly", three, 3, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			response := create(t, newSimulator(t, simulator.Config{WrongCitations: tt.wrong}), object{
				"model": "gpt-4.1", "input": []object{{"role": "user", "content": []object{
					{"type": "input_file", "filename": "a", "file_data": "data:x/y;base64," + base64.StdEncoding.EncodeToString(tt.data)},
					{"type": "input_text", "text": "The attached file is the document."},
				}}},
				"text": object{"format": object{"type": "json_schema", "name": "a", "strict": true, "schema": json.RawMessage(statementsSchema)}},
			})
			var body object
			if err := json.Unmarshal([]byte(outputText(t, response)), &body); err != nil {
				t.Fatal(err)
			}
			points, _ := body["key_points"].([]any)
			cited, beyond, seen := 0, 0, make(map[float64]bool)
			for i := range points {
				sources, _ := at(body, "key_points", i, "sources").([]any)
				for j := range sources {
					page := number(t, at(body, "key_points", i, "sources", j, "section"))
					cited++
					seen[page] = true
					if page < 1 || page > tt.pages {
						beyond++
					}
				}
			}
			if cited < 3 || beyond != int(tt.wrong)*cited {
				t.Errorf("%d of %d cited pages are not there: %v", beyond, cited, body["key_points"])
			}
			if tt.wrong == 0 && len(seen) != int(tt.pages) {
				t.Errorf("%d of %v pages are cited", len(seen), tt.pages)
			}
		})
	}
}
