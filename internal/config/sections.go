package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The keys whose value is not a single one, but a section for each of several
// names.
const (
	lanesKey     = "lanes"
	endpointsKey = "endpoints"
	pricesKey    = "prices"
	budgetsKey   = "budgets"
)

// sectional are all of them.
func sectional() []string { return []string{lanesKey, endpointsKey, pricesKey, budgetsKey} }

// sections are what has names, as a file has it. It is a type of its own because
// viper turns the keys of a plain map into lower case, and "Bulk" and "bulk" are
// two lanes.
type sections map[string]any

// named is the kind of a key with a section for each name. Its parse reads JSON,
// which is what a flag or a variable holds; what is in the sections is for
// others to check. Show is how a text that cannot be read is shown.
func named(things, example string, show func(text string) string) kind {
	return kind{
		name: "json", allowed: "names of " + things + ", each with the keys below",
		parse: func(text string) (any, error) {
			errSyntax := errors.New("is not a JSON object of " + things + "; write for example " + example)
			d := json.NewDecoder(strings.NewReader(text))
			var tree sections
			if err := d.Decode(&tree); err != nil || tree == nil {
				return nil, errSyntax
			}
			if _, err := d.Token(); !errors.Is(err, io.EOF) {
				return nil, errSyntax
			}
			if name, twice := repeated(text); twice {
				return nil, fmt.Errorf("has the name %s twice; the first would be lost", quote(name))
			}
			return tree, nil
		},
		format: func(value any) string { return fmt.Sprint(value) },
		show:   show,
	}
}

// repeated returns a name that an object has twice. The text is valid JSON.
func repeated(text string) (string, bool) {
	d := json.NewDecoder(strings.NewReader(text))
	_, _ = d.Token() // the brace
	seen := make(map[string]bool)
	for d.More() {
		token, _ := d.Token()
		name, _ := token.(string)
		if seen[name] {
			return name, true
		}
		seen[name] = true
		var skipped json.RawMessage
		_ = d.Decode(&skipped)
	}
	return "", false
}

// sectionReader reads the sections of one key.
type sectionReader struct {
	key      string // one of sectional
	thing    string // what has the names
	example  string // what to write below a name
	source   string
	sources  map[string]string // by key, what the settings came from
	problems []Problem
	// valid holds a name to what it must be, if that is no name of ours; the error
	// follows the name.
	valid func(name string) error
}

// fields opens a section and returns how to get at its settings, by their last part.
func (r *sectionReader) fields(name string, raw any, table []key) (get func(leaf string) any, ok bool) {
	known := make([]string, len(table))
	for i, k := range table {
		known[i] = k.leaf()
	}
	fields, ok := r.open(name, raw, known)
	return func(leaf string) any {
		value, _ := r.value(table[slices.Index(known, leaf)], fields, table[slices.Index(known, leaf)].fallback, sourceDefault)
		return value
	}, ok
}

// open returns the fields of a section. It is not ok if the name is none or if
// there is no section; unknown fields are only reported.
func (r *sectionReader) open(name string, raw any, known []string) (fields map[string]any, ok bool) {
	if r.valid != nil {
		if err := r.valid(name); err != nil {
			r.refuse(r.key, quote(name), err.Error())
			return nil, false
		}
	} else if !jobs.ValidName(name) {
		article := "a "
		if strings.ContainsRune("aeiou", rune(r.thing[0])) {
			article = "an "
		}
		r.refuse(r.key, quote(name), "is not a name of "+article+r.thing+"; "+jobs.NameRule)
		return nil, false
	}
	fields, ok = section(raw)
	if !ok {
		r.refuse(r.key+"."+name, "", "is not a section; write "+r.example+" below the name of the "+r.thing)
		return nil, false
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, field) {
			r.refuse(r.key+"."+name+"."+field, "", unknown(field, known))
		}
	}
	return fields, true
}

// value reads a field of a section, or its fallback, and notes where it came
// from. It is not ok if it cannot be read.
func (r *sectionReader) value(k key, fields map[string]any, fallback, from string) (value any, ok bool) {
	raw, given := fields[k.leaf()]
	source := r.source
	if !given {
		raw, source = fallback, from
	}
	r.sources[k.name] = source
	value, shown, err := k.parse(raw)
	if err != nil {
		r.refuse(k.name, shown, err.Error())
		return nil, false
	}
	return value, true
}

func (r *sectionReader) refuse(name, value, message string) {
	r.problems = append(r.problems, Problem{Key: name, Source: r.source, Value: value, Message: message})
}

// section returns a part of a tree that has keys of its own: a map, or nothing
// yet.
func section(raw any) (map[string]any, bool) {
	switch raw := raw.(type) {
	case nil:
		return nil, true
	case map[string]any:
		return raw, true
	case map[any]any: // YAML with a key that is no string, such as a lane called 2026
		fields := make(map[string]any, len(raw))
		for name, value := range raw {
			fields[fmt.Sprint(name)] = value
		}
		return fields, true
	}
	return nil, false
}
