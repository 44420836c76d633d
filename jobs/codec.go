package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrNewerSchema says that a record was written by a newer build; it is left
// alone.
var ErrNewerSchema = errors.New("the record is of a newer schema than this build knows")

// Encode writes the record. What a newer build had put into it beside the
// fields we know is written back.
func (j Job) Encode() ([]byte, error) {
	raw, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encode record of %s: %w", j.ID, err)
	}
	if raw, err = j.extra.addTo(raw); err != nil {
		return nil, fmt.Errorf("encode record of %s: %w", j.ID, err)
	}
	return raw, nil
}

// Decode reads a record. Fields it does not know are kept for [Job.Encode]. A
// record of a newer schema is [ErrNewerSchema], with a job of which only Schema
// and ID are sure to be set.
func Decode(raw []byte) (Job, error) {
	var j Job
	if err := decodeStrictly(raw, &j); err == nil {
		return j, j.check()
	}
	// Something in it is not ours, or it is no record at all. The schema is read
	// first: a newer one may have changed the type of any other field.
	var head struct {
		Schema int `json:"schema"`
		ID     ID  `json:"id"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return Job{}, fmt.Errorf("decode record: %w", err)
	}
	j = Job{Schema: head.Schema, ID: head.ID}
	if err := j.check(); err != nil {
		return j, err
	}
	if err := json.Unmarshal(raw, &j); err != nil {
		return Job{}, fmt.Errorf("decode record of %s: %w", head.ID, err)
	}
	ours, err := json.Marshal(j)
	if err != nil {
		return Job{}, fmt.Errorf("decode record of %s: %w", head.ID, err)
	}
	if j.extra, err = findExtra(raw, ours); err != nil {
		return Job{}, fmt.Errorf("decode record of %s: %w", head.ID, err)
	}
	return j, nil
}

// decodeStrictly reads a record that holds nothing but the fields we know.
func decodeStrictly(raw []byte, j *Job) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(j); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("has text after the record")
	}
	return nil
}

// check tells a record of ours from a newer build's and from something else.
func (j Job) check() error {
	switch {
	case j.Schema > Schema:
		return fmt.Errorf("%s has schema %d: %w", j.ID, j.Schema, ErrNewerSchema)
	case j.ID == "":
		return errors.New("decode record: it has no id")
	}
	return nil
}
