package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// parseFaultRule reads the rule that a single request carries: a FaultRule as JSON, or the short
// form name=value,name=value with the names of the fields, as in
//
//	status=503,first=2
//	op=get,attempt=1,status=404
//	fail=server_error
//	reset=after
//
// A name alone means true. Maps are written with a dot (header.Retry-After=7, metadata.key=value),
// windows as stale_gets, stale_for, missing_gets and missing_for, the message of a failure as
// fail_message. Values cannot hold commas; JSON can.
func parseFaultRule(text string) (*liveRule, error) {
	var rule FaultRule
	var err error
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		err = decodeStrict(strings.NewReader(text), &rule)
	} else {
		err = rule.readShort(text)
	}
	if err != nil {
		return nil, err
	}
	if problems := rule.problems(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return newFaultSet(FaultPlan{Rules: []FaultRule{rule}}).rules[0], nil
}

func (r *FaultRule) readShort(text string) error {
	for field := range strings.SplitSeq(text, ",") {
		name, value, given := strings.Cut(strings.TrimSpace(field), "=")
		if !given {
			value = "true"
		}
		if err := r.set(name, value); err != nil {
			return fmt.Errorf("%s: %w", clip(name, 64), err)
		}
	}
	return nil
}

// set sets one field of the short form.
func (r *FaultRule) set(name, value string) error {
	if key, ok := strings.CutPrefix(name, "metadata."); ok {
		if r.Match.Metadata == nil {
			r.Match.Metadata = make(map[string]string)
		}
		r.Match.Metadata[key] = value
		return nil
	}
	if key, ok := strings.CutPrefix(name, "header."); ok {
		if r.Action.Headers == nil {
			r.Action.Headers = make(map[string]string)
		}
		r.Action.Headers[key] = value
		return nil
	}
	if handled, err := r.Match.set(name, value); handled {
		return err
	}
	return r.Action.set(name, value)
}

func (m *FaultMatch) set(name, value string) (handled bool, err error) {
	switch name {
	case "op":
		m.Op = value
	case "project":
		m.Project = value
	case "service_tier":
		m.ServiceTier = value
	case "attempt":
		m.Attempt, err = strconv.Atoi(value)
	case "probability":
		m.Probability, err = strconv.ParseFloat(value, 64)
	case "every":
		m.Every, err = strconv.Atoi(value)
	case "first":
		m.First, err = strconv.Atoi(value)
	default:
		return false, nil
	}
	return true, err
}

func (a *FaultAction) set(name, value string) (err error) {
	window := func(w **FaultWindow) *FaultWindow {
		if *w == nil {
			*w = new(FaultWindow)
		}
		return *w
	}
	failure := func() *FaultFailure {
		if a.Fail == nil {
			a.Fail = new(FaultFailure)
		}
		return a.Fail
	}
	switch name {
	case "delay":
		err = a.Delay.UnmarshalText([]byte(value))
	case "status":
		a.Status, err = strconv.Atoi(value)
	case "body":
		a.Body = value
	case "expire":
		a.Expire, err = strconv.ParseFloat(value, 64)
	case "code":
		a.Code = value
	case "type":
		a.Type = value
	case "param":
		a.Param = value
	case "message":
		a.Message = value
	case "accept":
		a.Accept, err = strconv.ParseBool(value)
	case "reset":
		a.Reset = value
	case "hang":
		a.Hang, err = strconv.ParseBool(value)
	case "never_ends":
		a.NeverEnds, err = strconv.ParseBool(value)
	case "fail":
		failure().Code = value
	case "fail_message":
		failure().Message = value
	case "words":
		a.Words, err = strconv.Atoi(value)
	case "incomplete":
		a.Incomplete = value
	case "answer":
		a.Answer = value
	case "queued":
		a.Queued = new(Duration)
		err = a.Queued.UnmarshalText([]byte(value))
	case "running":
		a.Running = new(Duration)
		err = a.Running.UnmarshalText([]byte(value))
	case "stale_gets":
		window(&a.Stale).Gets, err = strconv.Atoi(value)
	case "stale_for":
		err = window(&a.Stale).For.UnmarshalText([]byte(value))
	case "missing_gets":
		window(&a.Missing).Gets, err = strconv.Atoi(value)
	case "missing_for":
		err = window(&a.Missing).For.UnmarshalText([]byte(value))
	case "ignore_background":
		a.IgnoreBackground, err = strconv.ParseBool(value)
	case "stream_cut":
		a.StreamCut, err = strconv.Atoi(value)
	case "stream_stall":
		a.StreamStall, err = strconv.Atoi(value)
	case "stream_refuse":
		a.StreamRefuse, err = strconv.ParseBool(value)
	default:
		return a.setWebhook(name, value)
	}
	return err
}

func (a *FaultAction) setWebhook(name, value string) (err error) {
	switch name {
	case "withhold":
		a.Withhold, err = strconv.ParseBool(value)
	case "early":
		err = a.Early.UnmarshalText([]byte(value))
	case "copies":
		a.Copies, err = strconv.Atoi(value)
	case "behind":
		a.Behind, err = strconv.Atoi(value)
	case "forge":
		a.Forge = value
	default:
		return errors.New("is not a field of a fault")
	}
	return err
}

// decodeStrict reads exactly one JSON value without unknown fields.
func decodeStrict(r io.Reader, into any) error {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("decode JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode JSON: more than one value")
	}
	return nil
}
