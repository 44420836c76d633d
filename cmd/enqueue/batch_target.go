package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// check refuses, before anything is submitted, what could not be written at the
// end or would destroy what is there: an output that is the input, the other
// output or a folder, or that lies in a folder which is not there. Symbolic links
// are followed. Errors are of class invalid.
//
// It returns where the lines really go.
func (o batchOutput) check(input string) (batchOutput, error) {
	var err error
	if o.output, err = target("output", o.output, input); err != nil {
		return o, err
	}
	if o.errors, err = target("errors", o.errors, input); err != nil {
		return o, err
	}
	if o.errors != "" && o.errors != "-" && sameFile(o.output, o.errors) {
		return o, jobs.Invalid("errors", "is the same file as the answers, %s; give it another name", o.output)
	}
	return o, nil
}

// target returns the file that a path leads to.
func target(flag, path, input string) (string, error) {
	if path == "" || path == "-" {
		return path, nil
	}
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		path = followed
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return "", jobs.Invalid(flag, "%s is a folder; name a file", path)
	case err == nil && input != "-" && sameFile(path, input):
		return "", jobs.Invalid(flag, "%s is the input itself; give it another name", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", jobs.Invalid(flag, "%s cannot be written: %s", path, cause(err))
	}
	if folder, err := os.Stat(filepath.Dir(path)); err != nil || !folder.IsDir() {
		return "", jobs.Invalid(flag, "the folder of %s does not exist; make it first", path)
	}
	return path, nil
}

// cause is an error without the path that it is about.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// sameFile reports whether two paths lead to one file, there or not.
func sameFile(a, b string) bool {
	ia, errA := os.Stat(a)
	ib, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(ia, ib)
	}
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

// inPlace opens what is no regular file (a device, a pipe) to be written as it
// is, and returns nil for anything else: that gets its name when it is complete.
func inPlace(path string) (io.WriteCloser, error) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() {
		return nil, nil //nolint:nilerr // what is not there yet will be a regular file
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // G304: the user names it
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return file, nil
}

// removeErrors removes the error file of an earlier run, and nothing that is not
// one: its first line must be an error line of ours.
func removeErrors(path string) error {
	file, err := os.Open(path) //nolint:gosec // G304: the user names it
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the old %s: %w", path, err)
	}
	defer func() { _ = file.Close() }()
	first, _ := bufio.NewReader(file).ReadBytes('\n') // a cut line is none of ours
	var l outputLine
	if json.Unmarshal(first, &l) != nil || l.CustomID == "" || l.Error == nil {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the old %s: %w", path, err)
	}
	return nil
}
