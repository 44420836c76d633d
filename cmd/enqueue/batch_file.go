package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	// batchURL is the one url of a batch line.
	batchURL = "/v1/responses"
	// lineOverhead is what a line may have beside its body.
	lineOverhead = 64 << 10
	// maxShownProblems bounds the problems that are printed, and fewShownProblems
	// those of a file that is of another format throughout.
	maxShownProblems = 20
	fewShownProblems = 3
	// exampleLine is a line of a batch file.
	exampleLine = `{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"input":"…"}}`
)

// batchLine is a checked line of a batch file: where it is, and what it asks
// for. The body stays in the file.
type batchLine struct {
	customID string
	number   int
	offset   int64
	length   int
	// digest is that of the request, default model included.
	digest [sha256.Size]byte
}

// batchFile is a batch file whose lines have all been checked.
type batchFile struct {
	batchRules
	file  *os.File
	name  string
	lines []batchLine
	close func() error
}

// batchRules are what each line must agree with.
type batchRules struct {
	// model is that of lines which name none, and limit the size of a body.
	model string
	limit int
	// options are those of all jobs of the batch.
	options jobs.Options
}

// openBatch reads and checks a batch file, or stdin for "-", which is kept in a
// temporary file meanwhile. If any line is bad, the error names all bad ones.
func openBatch(ctx context.Context, name string, stdin io.Reader, rules batchRules) (*batchFile, error) {
	b := &batchFile{name: name, batchRules: rules}
	if err := b.open(ctx, stdin); err != nil {
		return nil, err
	}
	if err := b.check(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *batchFile) open(ctx context.Context, stdin io.Reader) (err error) {
	if b.name != "-" {
		b.file, err = os.Open(b.name)
		if err != nil {
			return usageError{err}
		}
		b.close = b.file.Close
		if info, err := b.file.Stat(); err != nil || !info.Mode().IsRegular() {
			return errors.Join(usage("%s is no regular file; give - to read from a pipe", b.name), err, b.close())
		}
		return nil
	}
	b.name = "stdin"
	if b.file, err = os.CreateTemp("", "enqueue-batch-*.jsonl"); err != nil {
		return fmt.Errorf("keep stdin: %w", err)
	}
	b.close = func() error { return errors.Join(b.file.Close(), os.Remove(b.file.Name())) }
	if err := copyUntil(ctx, b.file, stdin); err != nil {
		return errors.Join(fmt.Errorf("keep stdin: %w", err), b.close())
	}
	return nil
}

// copyUntil copies until ctx is done. The goroutine of a copy that was given up
// ends with the process.
func copyUntil(ctx context.Context, to io.Writer, from io.Reader) error {
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(to, from)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// check reads all lines, keeps where they are, and reports all that are bad.
func (b *batchFile) check(ctx context.Context) error {
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read %s: %w", b.name, err)
	}
	var (
		report problems
		offset int64
		seen   = make(map[string]int)
		in     = bufio.NewReaderSize(b.file, 256<<10)
	)
	for number := 1; ; number++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		raw, size, err := readLine(in, b.limit+lineOverhead)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", b.name, err)
		}
		line := batchLine{number: number, offset: offset, length: len(raw)}
		offset += size
		b.checkLine(line, raw, size, seen, &report)
		if errors.Is(err, io.EOF) {
			break
		}
	}
	if report.count > 0 {
		return report.error(b.name)
	}
	if len(b.lines) == 0 {
		return usage("%s: holds no request; each line is one, such as %s", b.name, exampleLine)
	}
	return nil
}

// checkLine adds a line to the batch, or what is wrong with it to the report.
func (b *batchFile) checkLine(line batchLine, raw []byte, size int64, seen map[string]int, report *problems) {
	if size > int64(b.limit)+lineOverhead {
		report.add(line.number, "line", fmt.Sprintf("has %d bytes; a body has at most %d (jobs.max_request_bytes)", size, b.limit))
		return
	}
	if line.number == 1 {
		raw = bytes.TrimPrefix(raw, []byte(byteOrderMark))
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return
	}
	customID, request, wrong := b.parse(raw)
	for _, p := range wrong {
		report.add(line.number, p.field, p.message)
	}
	report.objects = report.objects || len(wrong) != 1 || wrong[0] != noObject()
	if customID != "" {
		if first, twice := seen[customID]; twice {
			report.add(line.number, "custom_id", fmt.Sprintf("%q was that of line %d; each line needs its own", customID, first))
		} else {
			seen[customID] = line.number
		}
	}
	line.customID, line.digest = customID, sha256.Sum256(request.Raw)
	b.lines = append(b.lines, line)
}

// fault is what is wrong with a field of a line.
type fault struct{ field, message string }

// noObject is what is wrong with a line that is not one of a batch at all.
func noObject() fault { return fault{"line", "is no JSON object on one line"} }

// parse reads a line and returns all that is wrong with it.
func (b *batchFile) parse(raw []byte) (customID string, request jobs.Request, wrong []fault) {
	members, err := jobs.Members(raw)
	switch {
	case err != nil && !errors.Is(err, jobs.ErrDeep) && json.Unmarshal(raw, new(map[string]json.RawMessage)) != nil:
		return "", request, []fault{noObject()}
	case err != nil: // it is one, and yet cannot be read, or in two ways
		return "", request, []fault{{"line", err.Error()}}
	}
	text := func(field string) (string, bool) {
		var s string
		switch value, ok := members[field]; {
		case !ok:
			wrong = append(wrong, fault{field, "is missing"})
		case json.Unmarshal(value, &s) != nil || string(value) == "null":
			wrong = append(wrong, fault{field, "must be a string"})
		default:
			return s, true
		}
		return "", false
	}
	if id, ok := text("custom_id"); ok && strings.TrimSpace(id) == "" {
		wrong = append(wrong, fault{"custom_id", "is empty"})
	} else {
		customID = id
	}
	if method, ok := text("method"); ok && method != "POST" {
		wrong = append(wrong, fault{"method", fmt.Sprintf("is %q; only POST is possible", clip(method, 40))})
	}
	if url, ok := text("url"); ok && url != batchURL {
		wrong = append(wrong, fault{"url", wrongURL(url)})
	}
	for _, field := range slices.Sorted(maps.Keys(members)) {
		switch field {
		case "custom_id", "method", "url", "body":
		default:
			wrong = append(wrong, fault{clip(field, 40), "is not part of a batch line: custom_id, method, url and body are"})
		}
	}
	body, ok := members["body"]
	if !ok {
		return customID, request, append(wrong, fault{"body", "is missing"})
	}
	request, err = jobs.ParseRequest(body, b.model)
	if err != nil {
		f := jobs.FailureOf(err)
		return customID, request, append(wrong, fault{strings.TrimSuffix("body."+f.Param, ".request"), f.Message})
	}
	wrong = append(wrong, faults(b.options.ValidateFor(request))...)
	if len(request.Raw) > b.limit {
		wrong = append(wrong, fault{"body", fmt.Sprintf("has %d bytes; at most %d are accepted (jobs.max_request_bytes)", len(request.Raw), b.limit)})
	}
	return customID, request, wrong
}

// faults are what is wrong with the options for a line.
func faults(err error) []fault {
	var all []fault
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			f := jobs.FailureOf(err)
			all = append(all, fault{f.Param, f.Message})
		}
	}
	return all
}

// wrongURL says what to write instead of a url.
func wrongURL(url string) string {
	if strings.HasPrefix(url, "/v1/chat/") {
		return fmt.Sprintf(`%q is Chat Completions; write %q, and in the body "input" for "messages"`, clip(url, 40), batchURL)
	}
	return fmt.Sprintf("is %q; only %q is possible", clip(url, 40), batchURL)
}

// request reads the request of a line again.
func (b *batchFile) request(line batchLine) (jobs.Request, error) {
	raw := make([]byte, line.length)
	if _, err := b.file.ReadAt(raw, line.offset); err != nil {
		return jobs.Request{}, fmt.Errorf("read line %d of %s: %w", line.number, b.name, err)
	}
	if line.number == 1 {
		raw = bytes.TrimPrefix(raw, []byte(byteOrderMark))
	}
	_, request, wrong := b.parse(raw)
	if len(wrong) > 0 || sha256.Sum256(request.Raw) != line.digest {
		return jobs.Request{}, fmt.Errorf("line %d of %s was changed after it was checked; start again", line.number, b.name)
	}
	return request, nil
}

// readLine reads a line without its end, and its size with it. Of a line over
// the limit nothing is kept. With io.EOF comes what follows the last line end.
func readLine(in *bufio.Reader, limit int) (line []byte, size int64, err error) {
	for {
		part, err := in.ReadSlice('\n')
		size += int64(len(part))
		if size <= int64(limit) {
			line = append(line, part...)
		} else {
			line = nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSuffix(line, []byte("\n")), size, err
		}
	}
}

// problems are the bad lines of a file.
type problems struct {
	shown []string
	count int
	// objects says that some line at least is a JSON object.
	objects bool
}

func (p *problems) add(line int, field, message string) {
	p.count++
	if len(p.shown) < maxShownProblems {
		p.shown = append(p.shown, fmt.Sprintf("  line %d: %s: %s", line, field, message))
	}
}

func (p *problems) error(name string) error {
	shown, format := p.shown, ""
	if !p.objects {
		shown = shown[:min(len(shown), fewShownProblems)]
		format = "\n  no line is one of a batch, such as " + exampleLine
	}
	text := strings.Join(shown, "\n")
	if more := p.count - len(shown); more > 0 {
		text += "\n  and " + formatCount(int64(more)) + " more"
	}
	return usage("%s: %s; nothing was submitted:\n%s%s", name, plural(p.count, "problem", "problems"), text, format)
}
