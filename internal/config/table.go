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
	// longhaul.yaml", "default", or a key of openai that an endpoint has in common.
	Source string `json:"source"`
	// Doc is what the setting does, in one sentence.
	Doc string `json:"doc"`
}

// Table returns every setting with its value and where that came from, in the
// order of the documentation, the endpoints and the lanes by name.
func (c Config) Table() []Setting {
	table := keys()
	settings := make([]Setting, 0, len(table)+8*len(c.Lanes)+7*len(c.Endpoints))
	for _, k := range table {
		switch k.name {
		case lanesKey:
			for _, name := range slices.Sorted(maps.Keys(c.Lanes)) {
				for _, k := range laneKeys(name) {
					settings = append(settings, c.setting(k, fieldOf(c.Lanes[name], k.leaf())))
				}
			}
		case endpointsKey:
			for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
				settings = append(settings, c.endpointSettings(name)...)
			}
		case pricesKey:
			for _, name := range slices.Sorted(maps.Keys(c.Prices)) {
				for _, own := range priceKeys(name) {
					settings = append(settings, c.setting(own, fieldOf(c.Prices[name], own.leaf())))
				}
			}
		case budgetsKey:
			for _, name := range slices.Sorted(maps.Keys(c.Budgets)) {
				for _, own := range budgetKeys(name) {
					settings = append(settings, c.setting(own, fieldOf(c.Budgets[name], own.leaf())))
				}
			}
		default:
			settings = append(settings, c.setting(k, fieldOf(c, k.name)))
		}
	}
	return settings
}

// endpointSettings are the lines of an endpoint. A variable that holds a secret
// of it is the source of the secret and has no line of its own.
func (c Config) endpointSettings(name string) []Setting {
	var settings []Setting
	for _, k := range endpointKeys(name) {
		if !strings.HasSuffix(k.leaf(), "_env") {
			settings = append(settings, c.setting(k, fieldOf(c.Endpoints[name], k.leaf())))
		}
	}
	return settings
}

func (c Config) setting(k key, value any) Setting {
	return Setting{Key: k.name, Value: k.kind.format(value), Source: c.sources[k.name], Doc: k.doc}
}

// fieldOf returns the value of the field of s, or of a struct in it, with the name
// of a key.
func fieldOf(s any, name string) any {
	v := reflect.ValueOf(s)
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
