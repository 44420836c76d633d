package tokens

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
)

// What is not text costs a flat amount, by the rules of OpenAI's pages about images
// and files: a picture of 1024 by 1024 pixels in high detail is 765 tokens, one in low
// detail 85; of a PDF both the text and a picture of each page count, of which nothing
// is known here but the size, at some 3 KB a page.
const (
	imageTokens    = 765
	lowImageTokens = 85
	pageTokens     = 1000
	pageBytes      = 3 << 10
	// linkedFileTokens is for a file that is named, not sent.
	linkedFileTokens = 10 * pageTokens
	// itemTokens frame each item of the input.
	itemTokens = 4
	// sampled is how much text of a request is counted exactly; of more, the rest is
	// taken to be like it.
	sampled = 64 << 10
)

// Need is what a request may use.
type Need struct {
	// Input is the tokens that the model reads, as far as the request tells: what is
	// behind a previous_response_id, a conversation or a prompt is not known here.
	Input int
	// Output is the cap of what it writes, max_output_tokens, 0 for none.
	Output int
}

// Limited is what OpenAI counts the request for against a limit of tokens a minute:
// the larger of what goes in and the cap of what comes out
// (https://platform.openai.com/docs/guides/rate-limits).
func (n Need) Limited() int { return max(n.Input, n.Output) }

// Estimate reads the body of a request. It takes some milliseconds whatever its size:
// of a long text, the first 64 KiB are counted and the rest is taken to be like them.
// Text that stands in a schema or a tool counts like any other. A body that is no
// object has no need.
func Estimate(body []byte) Need {
	var top map[string]json.RawMessage
	if json.Unmarshal(body, &top) != nil {
		return Need{}
	}
	var n Need
	var output float64
	if json.Unmarshal(top["max_output_tokens"], &output) == nil && output > 0 && output < math.MaxInt32 {
		n.Output = int(output)
	}
	var r reading
	for _, field := range []string{"instructions", "input", "tools", "text"} {
		if raw, given := top[field]; given {
			r.read(raw)
		}
	}
	n.Input = max(0, r.flat) + itemTokens + r.words()
	return n
}

// reading collects what counts.
type reading struct {
	text strings.Builder // as much as is counted exactly
	size int             // of all text
	flat int
}

// read goes through a value token by token: it must not build what is large.
func (r *reading) read(raw json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var key string
	depth := []json.Delim{}
	wantKey := false
	for {
		token, err := d.Token()
		if err != nil {
			return
		}
		inObject := len(depth) > 0 && depth[len(depth)-1] == '{'
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				depth = append(depth, v)
				wantKey = v == '{'
				if v == '{' {
					r.flat += itemTokens
				}
			default:
				depth = depth[:len(depth)-1]
				wantKey = len(depth) > 0 && depth[len(depth)-1] == '{'
			}
			continue
		case string:
			if inObject && wantKey {
				key, wantKey = v, false
				continue
			}
			r.string(key, v)
		}
		wantKey = inObject
	}
}

// string takes up a string by the field that it stands in.
func (r *reading) string(key, value string) {
	switch key {
	case "type":
		switch value {
		case "input_image":
			r.flat += imageTokens
		case "input_file":
			r.flat += linkedFileTokens
		}
	case "detail":
		if value == "low" {
			r.flat += lowImageTokens - imageTokens
		}
	case "file_data":
		// Its size tells more than that it is a file.
		r.flat += max(1, len(value)*3/4/pageBytes)*pageTokens - linkedFileTokens
	case "image_url", "file_url", "file_id", "role", "status", "id", "call_id":
	default:
		r.size += len(value)
		if room := sampled - r.text.Len(); room > 0 {
			r.text.WriteString(value[:min(room, len(value))])
		}
	}
}

// words counts the text.
func (r *reading) words() int {
	text := strings.ToValidUTF8(r.text.String(), "")
	n, counted, err := Count(text, math.MaxInt)
	if err != nil || counted == 0 {
		return r.size / 4 // OpenAI's own rule of thumb
	}
	return int(float64(n) * float64(r.size) / float64(counted))
}
