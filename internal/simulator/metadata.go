package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"
)

// OpenAI's limits on metadata.
const (
	maxMetadataPairs = 16
	maxMetadataKey   = 64
	maxMetadataValue = 512
)

// metadata is a request's metadata, sorted by key. A slice costs a third of a map's memory, and
// there is one for every response.
type metadata []metadataPair

type metadataPair struct{ key, value string }

// parseMetadata reads and checks the request's parameter of that name.
func parseMetadata(raw json.RawMessage) (metadata, *apiError) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, errInvalidType("metadata", "a metadata object", raw)
	}
	members, ok := decodeObject(raw)
	if !ok {
		return nil, errInvalidJSON()
	}
	if len(members) > maxMetadataPairs {
		return nil, invalid("metadata", "object_above_max_properties",
			"Invalid 'metadata': too many properties. Expected an object with at most %d properties, but got an object with %d properties instead.",
			maxMetadataPairs, len(members))
	}
	m := make(metadata, 0, len(members))
	for _, key := range slices.Sorted(maps.Keys(members)) {
		path := "metadata." + clip(key, maxMetadataKey)
		if n := utf8.RuneCountInString(key); n > maxMetadataKey {
			return nil, invalid(path, "property_name_above_max_length",
				"Invalid property name in 'metadata': '%s' is too long. Expected a string with maximum length %d, but got a string with length %d instead.",
				clip(key, maxMetadataKey), maxMetadataKey, n)
		}
		if members[key][0] != '"' {
			return nil, errInvalidType(path, "a string", members[key])
		}
		var value string
		if err := json.Unmarshal(members[key], &value); err != nil {
			return nil, errInvalidJSON()
		}
		if n := utf8.RuneCountInString(value); n > maxMetadataValue {
			return nil, errStringTooLong(path, maxMetadataValue, n)
		}
		m = append(m, metadataPair{key, value})
	}
	return m, nil
}

// value returns the value of key, or "" if there is none.
func (m metadata) value(key string) string {
	for _, pair := range m {
		if pair.key == key {
			return pair.value
		}
	}
	return ""
}

// matches reports whether m holds every pair of want.
func (m metadata) matches(want map[string]string) bool {
	for key, value := range want {
		if !slices.Contains(m, metadataPair{key, value}) {
			return false
		}
	}
	return true
}

// toMap returns m as a map of its own.
func (m metadata) toMap() map[string]string {
	out := make(map[string]string, len(m))
	for _, pair := range m {
		out[pair.key] = pair.value
	}
	return out
}

func (m metadata) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, pair := range m {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, pair.key)
		dst = append(dst, ':')
		dst = appendQuoted(dst, pair.value)
	}
	return append(dst, '}')
}

// decodeObject returns the members of a JSON object, or false if raw is not one.
func decodeObject(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, false
	}
	return members, true
}
