package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// object is a JSON object whose members keep their order and their bytes: a
// request goes to the provider as the caller wrote it, with our few fields set.
type object struct {
	keys   []string
	values map[string]json.RawMessage
	names  map[string]json.RawMessage // the keys as they were written
}

// parseObject reads raw as one JSON object without duplicate keys.
func parseObject(raw []byte) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	first, err := dec.Token()
	if err != nil {
		return object{}, syntaxError(err)
	}
	if first != json.Delim('{') {
		return object{}, errors.New("must be a JSON object")
	}
	o := object{values: make(map[string]json.RawMessage), names: make(map[string]json.RawMessage)}
	for dec.More() {
		start := dec.InputOffset()
		token, err := dec.Token()
		if err != nil {
			return object{}, syntaxError(err)
		}
		key, ok := token.(string)
		if !ok {
			return object{}, errors.New("must be a JSON object")
		}
		name := raw[start:dec.InputOffset()]
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return object{}, syntaxError(err)
		}
		if _, twice := o.values[key]; twice {
			return object{}, fmt.Errorf("field %q appears twice; keep one", key)
		}
		o.keys = append(o.keys, key)
		o.values[key] = value
		o.names[key] = name[bytes.IndexByte(name, '"'):]
	}
	if _, err := dec.Token(); err != nil {
		return object{}, syntaxError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return object{}, errors.New("has text after the JSON object")
	}
	return o, nil
}

// Members returns the members of a JSON object by their names, each as it was written. One
// that stands twice is an error, as everything is that is no JSON object: which of the two
// counts differs between readers. The error follows what is named as the rest of a sentence.
func Members(raw []byte) (map[string]json.RawMessage, error) {
	o, err := parseObject(raw)
	return o.values, err
}

// cutJSON is what [json.Unmarshal] says of input that ends too early; it has no
// error value for that.
const cutJSON = "unexpected end of JSON input"

// deepJSON ends what a decoder says of input that is [ErrDeep]; it has no error value for
// that either.
const deepJSON = "exceeded max depth"

// ErrDeep says that the lists and objects of a JSON text are nested deeper than is read
// here, which is encoding/json's bound.
var ErrDeep = errors.New("is nested deeper than 10000 levels; make it flatter")

// syntaxError words a decoder's error without quoting the input.
func syntaxError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("is empty or cut: not complete JSON")
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		if e.Error() == cutJSON {
			return syntaxError(io.ErrUnexpectedEOF)
		}
		if strings.HasSuffix(e.Error(), deepJSON) {
			return ErrDeep
		}
		return fmt.Errorf("is not valid JSON at byte %d", e.Offset)
	}
	return errors.New("is not valid JSON")
}

// has reports whether the field is there and not null.
func (o *object) has(key string) bool {
	v, ok := o.values[key]
	return ok && !isNull(v)
}

// set puts a field, in place if it is there, else at the end.
func (o *object) set(key string, value json.RawMessage) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// drop removes a field.
func (o *object) drop(key string) {
	if _, ok := o.values[key]; !ok {
		return
	}
	delete(o.values, key)
	keys := make([]string, 0, len(o.keys))
	for _, k := range o.keys {
		if k != key {
			keys = append(keys, k)
		}
	}
	o.keys = keys
}

// encode writes the object back.
func (o *object) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if name, ok := o.names[key]; ok {
			b.Write(name)
		} else {
			b.Write(quote(key))
		}
		b.WriteByte(':')
		b.Write(o.values[key])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// quote is a string as JSON.
func quote(s string) json.RawMessage {
	raw, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage(`""`) // a Go string always encodes
	}
	return raw
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }
