package config

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
)

// Setting is one line of a configuration as it may be shown to anybody.
type Setting struct {
	Key string `json:"key"`
	// Value is written as it would be read, without secrets; an empty one is
	// empty, also for a secret that is not set.
	Value string `json:"value"`
	// Source is "flag --poll-floor", "environment LONGHAUL_POLL_FLOOR", "file
	// longhaul.yaml" or "default".
	Source string `json:"source"`
	// Doc is what the setting does, in one sentence.
	Doc string `json:"doc"`
}

// Table returns every setting with its value and where that came from, in the
// order of the documentation, the lanes by name.
func (c Config) Table() []Setting {
	table := keys()
	settings := make([]Setting, 0, len(table)+2*len(c.Lanes))
	for _, k := range table {
		if k.name != lanesKey {
			settings = append(settings, c.setting(k, c.field(k.name)))
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(c.Lanes)) {
			concurrency, window := laneKeys(name)
			settings = append(settings,
				c.setting(concurrency, c.Lanes[name].Concurrency), c.setting(window, c.Lanes[name].Window))
		}
	}
	return settings
}

func (c Config) setting(k key, value any) Setting {
	return Setting{Key: k.name, Value: k.kind.format(value), Source: c.sources[k.name], Doc: k.doc}
}

// field returns the value of the field with the name of a key.
func (c Config) field(name string) any {
	v := reflect.ValueOf(c)
	for part := range strings.SplitSeq(name, ".") {
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("mapstructure") == part {
				v = v.Field(i)
				break
			}
		}
	}
	return v.Interface()
}

// WriteTable writes the settings as aligned columns for people: key, value and
// source.
func WriteTable(w io.Writer, settings []Setting) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(t, "KEY\tVALUE\tSOURCE\n") // Flush reports what fails
	for _, s := range settings {
		value := s.Value
		if value == "" {
			value = `""`
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", s.Key, value, s.Source)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// WriteJSON writes the settings as an indented JSON list of objects with the
// members key, value, source and doc.
func WriteJSON(w io.Writer, settings []Setting) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(settings); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}
