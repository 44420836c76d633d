package jobs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// extra is what a record, or an object inside it, holds beside the fields that
// this build knows. It is written back byte for byte, so that numbers keep all
// their digits, and only into the object that it was found in: a member of a
// list is known by its number, and any other object must be as it was read. What
// a newer build said about a failure is not said about the next one.
type extra struct {
	unknown object
	inside  map[string]inner            // by key: objects inside the object
	lists   map[string]map[string]extra // by key and number: objects in a list
}

// inner is the extra of an object, and the object's known part when it was read.
type inner struct {
	known json.RawMessage
	extra extra
}

// findExtra returns what the object whole has beside its known part, nil if
// there is nothing.
func findExtra(whole, known json.RawMessage) (*extra, error) {
	w, err := parseObject(whole)
	if err != nil {
		return nil, err
	}
	k, err := parseObject(known)
	if err != nil {
		return nil, err
	}
	x := extra{
		unknown: object{values: make(map[string]json.RawMessage)},
		inside:  make(map[string]inner),
		lists:   make(map[string]map[string]extra),
	}
	for _, key := range w.keys {
		value, ours := w.values[key], k.values[key]
		switch {
		case ours == nil && !hasFolded(k, key):
			x.unknown.set(key, value)
		case ours == nil: // read as the field of that name already
		case value[0] == '{': // and so is ours: it was read from this one
			sub, err := findExtra(value, ours)
			if err != nil {
				return nil, err
			}
			if sub != nil {
				x.inside[key] = inner{known: ours, extra: *sub}
			}
		case value[0] == '[':
			members, err := findExtras(value, ours)
			if err != nil {
				return nil, err
			}
			if len(members) > 0 {
				x.lists[key] = members
			}
		}
	}
	if len(x.unknown.keys)+len(x.inside)+len(x.lists) == 0 {
		return nil, nil
	}
	return &x, nil
}

// findExtras does the same for the members of a list, by their number.
func findExtras(whole, known json.RawMessage) (map[string]extra, error) {
	var w, k []json.RawMessage
	if err := json.Unmarshal(whole, &w); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(known, &k); err != nil {
		return nil, err
	}
	found := make(map[string]extra)
	for i := range min(len(w), len(k)) {
		number := numberOf(k[i])
		if number == "" || w[i][0] != '{' {
			continue
		}
		sub, err := findExtra(w[i], k[i])
		if err != nil {
			return nil, err
		}
		if sub != nil {
			found[number] = *sub
		}
	}
	return found, nil
}

// numberOf returns what names a member of a list: the number of an attempt, the
// id of an effect, "" for anything else.
func numberOf(member json.RawMessage) string {
	var name struct {
		Number json.Number `json:"number"`
		ID     json.Number `json:"id"`
	}
	if err := json.Unmarshal(member, &name); err != nil {
		return ""
	}
	return string(name.Number + name.ID) // no member has both
}

// addTo puts the extra back into the object it was found in. A nil extra adds
// nothing.
func (x *extra) addTo(raw json.RawMessage) (json.RawMessage, error) {
	if x == nil {
		return raw, nil
	}
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	for key, in := range x.inside {
		if !bytes.Equal(o.values[key], in.known) {
			continue
		}
		if o.values[key], err = in.extra.addTo(in.known); err != nil {
			return nil, err
		}
	}
	for key, members := range x.lists {
		if _, ok := o.values[key]; !ok {
			continue
		}
		if o.values[key], err = addToList(o.values[key], members); err != nil {
			return nil, err
		}
	}
	for _, key := range x.unknown.keys {
		if !hasFolded(o, key) {
			o.set(key, x.unknown.values[key])
		}
	}
	return o.encode(), nil
}

// hasFolded reports whether the object has the field in any case, as the
// decoder would find it.
func hasFolded(o object, key string) bool {
	return slices.ContainsFunc(o.keys, func(k string) bool { return strings.EqualFold(k, key) })
}

func addToList(raw json.RawMessage, members map[string]extra) (json.RawMessage, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	var b bytes.Buffer // not json.Marshal, which would rewrite the bytes
	b.WriteByte('[')
	for i, member := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		if x, ok := members[numberOf(member)]; ok {
			var err error
			if member, err = x.addTo(member); err != nil {
				return nil, err
			}
		}
		b.Write(member)
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}
