package summarize_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestSchemasThatStrictModeRefuses(t *testing.T) {
	object := func(property string) string {
		return `{"type":"object","properties":{"a":` + property + `},"required":["a"],"additionalProperties":false}`
	}
	deep := `{"type":"string"}`
	for range 11 {
		deep = object(deep)
	}
	tests := map[string][2]string{
		"no JSON":                  {`{`, "must be a JSON object"},
		"null":                     {`null`, `"type": "object"`},
		"no object":                {`{"type":"array","items":{"type":"string"}}`, `"type": "object" at its root`},
		"anyOf at the root":        {`{"type":"object","anyOf":[]}`, "no anyOf at its root"},
		"further properties":       {`{"type":"object","properties":{}}`, "additionalProperties"},
		"optional property":        {`{"type":"object","properties":{"a":{"type":"string"}},"required":[],"additionalProperties":false}`, "a is missing"},
		"unknown required":         {`{"type":"object","properties":{},"required":["b"],"additionalProperties":false}`, `names "b"`},
		"allOf":                    {object(`{"allOf":[{"type":"string"}]}`), "does not take allOf"},
		"oneOf":                    {object(`{"oneOf":[{"type":"string"}]}`), "does not take oneOf"},
		"not":                      {object(`{"type":"string","not":{"const":"x"}}`), "does not take not"},
		"if":                       {object(`{"type":"string","if":{}}`), "does not take if"},
		"says nothing":             {object(`{"description":"x"}`), `give it a "type"`},
		"a list of what":           {object(`{"type":"array"}`), `needs "items"`},
		"a reference elsewhere":    {object(`{"$ref":"https://example.com/schema"}`), "within the schema"},
		"a reference to nothing":   {object(`{"$ref":"#/$defs/none"}`), "not a JSON schema"},
		"no schema":                {object(`17`), "must be a schema"},
		"too deep":                 {deep, "nests deeper than 10"},
		"too many enum values":     {object(`{"enum":[` + strings.TrimSuffix(strings.Repeat(`"x",`, 1001), ",") + `]}`), "1,001 enum values"},
		"too many characters":      {object(`{"enum":["` + strings.Repeat("x", 120_001) + `"]}`), "120,002 characters"},
		"a pattern that is none":   {object(`{"type":"string","pattern":"("}`), "not a JSON schema"},
		"a type that there is not": {object(`{"type":"text"}`), "schema: at #/properties/a/type: text is no type; there are string, number,"},
		"one of several types":     {object(`{"type":["string","text"]}`), "schema: at #/properties/a/type: text is no type"},
		"a type that is no name":   {object(`{"type":7}`), "schema: at #/properties/a/type: 7 is no type"},
		"a rule that is broken":    {object(`{"type":"number","minimum":"1"}`), "schema: at #/properties/a/minimum: not a JSON schema, by its rule /type: string given, number wanted"},
		"in a definition": {
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"required":["a"],"additionalProperties":false,"$defs":{"b":{"type":"object"}}}`,
			"at #/$defs/b",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := summarize.Options{Model: "m", Schema: json.RawMessage(tt[0])}.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), "schema: ") || !strings.Contains(err.Error(), tt[1]) {
				t.Errorf("error %v, want %q", err, tt[1])
			}
		})
	}
	accepted := []string{
		object(`{"type":["string","null"],"pattern":"^x"}`),
		object(`{"anyOf":[{"type":"null"},{"$ref":"#"}]}`),
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"required":["a"],"additionalProperties":false,"$defs":{"b":{"enum":["x",1,null]}}}`,
	}
	for _, schema := range accepted {
		if err := (summarize.Options{Model: "m", Schema: json.RawMessage(schema)}).Validate(); err != nil {
			t.Errorf("%s: %v", schema, err)
		}
	}
}

func TestFormOfAnswersIsValidated(t *testing.T) {
	tests := []struct {
		change func(*summarize.Options)
		want   string
	}{
		{func(o *summarize.Options) { o.Preset = "novel" }, "preset: novel is none of brief, executive"},
		{func(o *summarize.Options) { o.Length = "huge" }, "length: huge"},
		{func(o *summarize.Options) { o.Length = "9" }, "length: 9"},
		{func(o *summarize.Options) { o.Length = "250 words" }, ""},
		{func(o *summarize.Options) { o.Length = "Short" }, ""},
		{func(o *summarize.Options) { o.Style = strings.Repeat("x", 2_001) }, "style: longer"},
		{func(o *summarize.Options) { o.Question = "\xff" }, "question: not valid UTF-8"},
		{func(o *summarize.Options) { o.ChunkTokens = 1_999 }, "chunk tokens: 1999"},
		{func(o *summarize.Options) { o.Effort = "HIGH" }, "effort: HIGH"},
		{func(o *summarize.Options) { o.ServiceTier = "flex" }, ""},
		{func(o *summarize.Options) { o.ServiceTier = "a b" }, "service tier"},
	}
	for i, tt := range tests {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			opts := summarize.Options{Model: "m"}
			tt.change(&opts)
			err := opts.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
