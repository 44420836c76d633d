package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// chunk is how many responses are in memory at once while they are written.
const chunk = 16

// outputLine is a line of OpenAI's batch output and error files.
type outputLine struct {
	// ID is the job's.
	ID       jobs.ID         `json:"id"`
	CustomID string          `json:"custom_id"`
	Response *outputResponse `json:"response"`
	Error    *outputError    `json:"error"`
}

type outputResponse struct {
	StatusCode int             `json:"status_code"`
	RequestID  string          `json:"request_id"`
	Body       json.RawMessage `json:"body"`
}

type outputError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// responseFunc returns the response of a job, nil if there is none.
type responseFunc func(ctx context.Context, id jobs.ID) (json.RawMessage, error)

// batchOutput says where the lines of an ended batch go.
type batchOutput struct {
	// output and errors are files, output "-" for stdout. Without errors all
	// lines go to output.
	output, errors string
	stdout         io.Writer
	// lost is told of members whose answer turns out to be gone; nil to tell nobody.
	lost func(m *member, why outputError)
}

// codeGone is the code of an answer that there was.
const codeGone = "result_gone"

// write writes the lines of members that have ended or are held in the order of the input: answers
// into the one file, errors into the other, each file as a whole or not at all.
// An error file of an earlier run is removed if there are no errors now.
func (o batchOutput) write(ctx context.Context, response responseFunc, members []*member) (err error) {
	output, err := o.create(o.output)
	if err != nil {
		return err
	}
	failed := output
	if o.errors != "" && o.errors != o.output { // two writers of one stdout would mix their lines
		if failed, err = o.create(o.errors); err != nil {
			return errors.Join(err, output.discard())
		}
	}
	for start := 0; start < len(members); start += chunk {
		part := members[start:min(start+chunk, len(members))]
		lines := make([]outputLine, len(part))
		err := inParallel(ctx, chunk, len(part), func(ctx context.Context, i int) (err error) {
			lines[i], err = line(ctx, response, part[i])
			return err
		})
		for i := 0; i < len(lines) && err == nil; i++ {
			to := output
			if lines[i].Error != nil {
				to = failed
				if lines[i].Error.Code == codeGone && o.lost != nil {
					o.lost(part[i], *lines[i].Error)
				}
			}
			err = to.add(lines[i])
		}
		if err != nil {
			return errors.Join(err, output.discard(), failed.discard())
		}
	}
	if err := output.commit(true); err != nil {
		return errors.Join(err, failed.discard())
	}
	return failed.commit(failed == output)
}

// line makes the line of a member that has ended or is held.
func line(ctx context.Context, response responseFunc, m *member) (outputLine, error) {
	l := outputLine{ID: m.id, CustomID: m.name}
	if m.state != jobs.StateSucceeded && m.state != jobs.StateIncomplete {
		l.Error = lineError(m)
		return l, nil
	}
	body, err := response(ctx, m.id)
	switch {
	case errors.Is(err, results.ErrNotFound):
		l.Error = &outputError{Code: codeGone, Message: "the job has been deleted"}
		return l, nil
	case errors.Is(err, results.ErrBlobMissing): // one answer that is lost must not cost the others
		l.Error = &outputError{Code: codeGone, Message: err.Error()}
		return l, nil
	case err != nil:
		return l, fmt.Errorf("read response of %s: %w", m.name, err)
	case body == nil:
		l.Error = &outputError{Code: codeGone, Message: "the job has no response any more"}
		return l, nil
	}
	l.Response = &outputResponse{StatusCode: 200, RequestID: m.requestID, Body: body}
	return l, nil
}

// lineError says why a member has no answer, where there is one in OpenAI's
// words.
func lineError(m *member) *outputError {
	f := m.failed()
	e := &outputError{Code: cmp.Or(f.Code, string(f.Class), "failed"), Message: f.Message}
	switch m.state {
	case jobs.StateCancelled, jobs.StateExpired:
		e.Code = "batch_" + string(m.state)
	case jobs.StateUncertain:
		e.Code = string(m.state)
	case jobs.StateWaiting, jobs.StateSubmitting, jobs.StateRunning, jobs.StateSucceeded, jobs.StateIncomplete, jobs.StateFailed:
	}
	return e
}

// lineFile is a file that gets its name when it is complete.
type lineFile struct {
	path  string
	temp  *os.File  // nil for stdout, for what is written in place, and when it is done
	place io.Closer // what is written in place, else nil
	to    *bufio.Writer
	any   bool
}

func (o batchOutput) create(path string) (*lineFile, error) {
	if path == "-" {
		return &lineFile{path: path, to: bufio.NewWriter(o.stdout)}, nil
	}
	place, err := inPlace(path)
	if err != nil {
		return nil, err
	}
	if place != nil {
		return &lineFile{path: path, place: place, to: bufio.NewWriter(place)}, nil
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return &lineFile{path: path, temp: temp, to: bufio.NewWriterSize(temp, 256<<10)}, nil
}

func (f *lineFile) add(l outputLine) error {
	// A response keeps its members and their order; line breaks between them go.
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return fmt.Errorf("encode line of %s: %w", l.CustomID, err)
	}
	f.any = true
	if _, err := f.to.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}

// commit gives the file its name. One without lines is only kept if that is
// wanted. Committing again does nothing.
func (f *lineFile) commit(empty bool) error {
	if err := f.to.Flush(); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.path, err), f.discard())
	}
	if f.temp == nil {
		return f.discard()
	}
	if !f.any && !empty {
		return errors.Join(removeErrors(f.path), f.discard())
	}
	// Synced first: a crash leaves the old file or the whole new one.
	err := errors.Join(f.temp.Chmod(f.mode()), f.temp.Sync(), f.temp.Close())
	if err == nil {
		err = os.Rename(f.temp.Name(), f.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.path, err), os.Remove(f.temp.Name()))
	}
	f.temp = nil
	return nil
}

// mode is that of the file which is there, else what only its owner can read:
// answers are nobody else's.
func (f *lineFile) mode() fs.FileMode {
	if info, err := os.Stat(f.path); err == nil {
		return info.Mode().Perm()
	}
	return 0o600
}

// discard removes what is written so far.
func (f *lineFile) discard() error {
	if f.place != nil {
		err := f.place.Close()
		f.place = nil
		return err
	}
	if f.temp == nil {
		return nil
	}
	err := errors.Join(f.temp.Close(), os.Remove(f.temp.Name()))
	f.temp = nil
	return err
}
