package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// reader reads the members of a JSON object with OpenAI's checks and wording. The first fault
// sticks: after it every method returns a zero value, so that a sequence of reads needs one check
// at its end. A member that is null counts as absent, as it does in the API.
type reader struct {
	prefix  string // path of the object, ending in a dot; empty at the top
	members map[string]json.RawMessage
	fault   **apiError
}

func newReader(members map[string]json.RawMessage) *reader {
	return &reader{members: members, fault: new(*apiError)}
}

func (r *reader) err() *apiError { return *r.fault }

func (r *reader) fail(err *apiError) {
	if *r.fault == nil {
		*r.fault = err
	}
}

func (r *reader) path(name string) string { return r.prefix + name }

// raw returns a member, or nil if it is absent or null or a fault was found before.
func (r *reader) raw(name string) json.RawMessage {
	if *r.fault != nil {
		return nil
	}
	if raw := r.members[name]; !isNull(raw) {
		return raw
	}
	return nil
}

// only refuses members that are not among names.
func (r *reader) only(names ...string) {
	if *r.fault != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(r.members)) {
		if !slices.Contains(names, name) {
			r.fail(errUnknownParameter(r.path(name)))
			return
		}
	}
}

func (r *reader) boolean(name string, fallback bool) bool {
	raw := r.raw(name)
	switch {
	case raw == nil:
		return fallback
	case raw[0] != 't' && raw[0] != 'f':
		r.fail(errInvalidType(r.path(name), "a boolean", raw))
		return fallback
	}
	return raw[0] == 't'
}

// integer returns the member, or 0 if it is absent.
func (r *reader) integer(name string, least, most int) int {
	raw := r.raw(name)
	if raw == nil {
		return 0
	}
	n, err := strconv.Atoi(string(raw))
	switch {
	case err != nil:
		r.fail(errInvalidType(r.path(name), "an integer", raw))
	case n < least:
		r.fail(invalid(r.path(name), "integer_below_min_value",
			"Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead.", r.path(name), least, n))
	case n > most:
		r.fail(invalid(r.path(name), "integer_above_max_value",
			"Invalid '%s': integer above maximum value. Expected a value <= %d, but got %d instead.", r.path(name), most, n))
	default:
		return n
	}
	return 0
}

// decimal checks a number and returns its JSON, or nil if it is absent.
func (r *reader) decimal(name string, least, most float64) json.RawMessage {
	raw := r.raw(name)
	if raw == nil {
		return nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil:
		r.fail(errInvalidType(r.path(name), "a decimal", raw))
	case f < least:
		r.fail(invalid(r.path(name), "decimal_below_min_value",
			"Invalid '%s': decimal below minimum value. Expected a value >= %v, but got %s instead.", r.path(name), least, raw))
	case f > most:
		r.fail(invalid(r.path(name), "decimal_above_max_value",
			"Invalid '%s': decimal above maximum value. Expected a value <= %v, but got %s instead.", r.path(name), most, raw))
	default:
		return raw
	}
	return nil
}

// text returns a string of at most limit characters, or "" if it is absent.
func (r *reader) text(name string, limit int) string {
	raw := r.raw(name)
	if raw == nil {
		return ""
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		r.fail(errInvalidType(r.path(name), "a string", raw))
		return ""
	}
	if len(s) > limit {
		if n := utf8.RuneCountInString(s); n > limit {
			r.fail(errStringTooLong(r.path(name), limit, n))
			return ""
		}
	}
	return s
}

// enum returns one of values, or "" if the member is absent.
func (r *reader) enum(name string, values ...string) string {
	raw := r.raw(name)
	if raw == nil {
		return ""
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		r.fail(errInvalidType(r.path(name), "one of "+quotedList(values, "or"), raw))
		return ""
	}
	if !slices.Contains(values, s) {
		r.fail(errInvalidValue(r.path(name), s, values))
		return ""
	}
	return s
}

// object returns a reader for a member that is an object, or nil if it is absent.
func (r *reader) object(name string) *reader {
	raw := r.raw(name)
	if raw == nil {
		return nil
	}
	members, ok := decodeObject(raw)
	if !ok {
		r.fail(errInvalidType(r.path(name), "an object", raw))
		return nil
	}
	return &reader{prefix: r.path(name) + ".", members: members, fault: r.fault}
}

// list returns the elements of a member that is an array, or nil if it is absent.
func (r *reader) list(name, expected string) []json.RawMessage {
	raw := r.raw(name)
	if raw == nil {
		return nil
	}
	var elements []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &elements) != nil {
		r.fail(errInvalidType(r.path(name), expected, raw))
		return nil
	}
	return elements
}
