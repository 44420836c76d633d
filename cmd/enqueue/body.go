package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	// maxImageBytes is the largest image that is put into a request.
	maxImageBytes = 20 << 20
	// minOutputTokens is the least max_output_tokens that OpenAI takes.
	minOutputTokens = 16
)

// requestFlags make the body of a request.
type requestFlags struct {
	input, inputFile, instructions, request, model, serviceTier string
	images                                                      []string
	maxOutputTokens                                             int
}

func (f *requestFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.input, "input", "", "text to answer, - to read it from stdin")
	fs.StringVar(&f.inputFile, "input-file", "", "file with the text to answer")
	fs.StringArrayVar(&f.images, "image", nil, fmt.Sprintf("PNG, JPEG, GIF or WebP file to look at, at most %d MiB; may be repeated", maxImageBytes>>20))
	fs.StringVar(&f.instructions, "instructions", "", "what the model is told before the input")
	fs.StringVar(&f.model, "model", "", "model to ask (default: --openai-model)")
	fs.IntVar(&f.maxOutputTokens, "max-output-tokens", 0, "bound on the answer, reasoning included")
	fs.StringVar(&f.serviceTier, "service-tier", "", "service tier to ask for, such as flex, or batch for the Batch API (default: OpenAI's choice)")
	fs.StringVar(&f.request, "request", "", "file with the whole body of POST /v1/responses as JSON, - for stdin, instead of the flags above")
}

// requestBody is a request as the flags can make it.
type requestBody struct {
	Model           string `json:"model,omitempty"`
	Instructions    string `json:"instructions,omitempty"`
	Input           any    `json:"input"`
	MaxOutputTokens int    `json:"max_output_tokens,omitempty"`
	ServiceTier     string `json:"service_tier,omitempty"`
}

type inputMessage struct {
	Type    string `json:"type"`
	Role    string `json:"role"`
	Content []any  `json:"content"`
}

type inputText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type inputImage struct {
	Type     string `json:"type"`
	ImageURL string `json:"image_url"`
	Detail   string `json:"detail"`
}

// body makes the request that the flags describe, of at most limit bytes. It
// reads stdin and the files that they name.
func (f *requestFlags) body(ctx context.Context, fs *pflag.FlagSet, stdin io.Reader, limit int) (json.RawMessage, error) {
	if err := f.check(fs); err != nil {
		return nil, err
	}
	if f.request != "" {
		return readInput(ctx, "request", f.request, stdin, limit)
	}
	text, err := f.text(ctx, fs, stdin, limit)
	if err != nil {
		return nil, err
	}
	request := requestBody{Model: f.model, Instructions: f.instructions, Input: text, MaxOutputTokens: f.maxOutputTokens, ServiceTier: f.serviceTier}
	if len(f.images) > 0 {
		message := inputMessage{Type: "message", Role: "user"}
		if text != "" {
			message.Content = append(message.Content, inputText{Type: "input_text", Text: text})
		}
		for _, file := range f.images {
			image, err := readImage(file)
			if err != nil {
				return nil, err
			}
			message.Content = append(message.Content, image)
		}
		request.Input = []any{message}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(request); err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(body) > limit {
		return nil, jobs.Invalid("request", "has %d bytes with its images; at most %d are accepted (jobs.max_request_bytes)", len(body), limit)
	}
	return body, nil
}

// stdin reports whether the request is read from stdin.
func (f *requestFlags) stdin() bool { return f.input == "-" || f.inputFile == "-" || f.request == "-" }

// check reports flags that contradict one another or say nothing.
func (f *requestFlags) check(fs *pflag.FlagSet) error {
	var problems []error
	if fs.Changed("request") {
		for _, name := range []string{"input", "input-file", "image", "instructions", "model", "max-output-tokens", "service-tier"} {
			if fs.Changed(name) {
				problems = append(problems, usage("--request is the whole body; leave out --%s, and put it into the body", name))
			}
		}
		if f.request == "" {
			problems = append(problems, usage("--request: name a file, or - for stdin"))
		}
		return errors.Join(problems...)
	}
	if fs.Changed("input") && fs.Changed("input-file") {
		problems = append(problems, usage("--input and --input-file exclude each other"))
	}
	if !fs.Changed("input") && !fs.Changed("input-file") && len(f.images) == 0 {
		problems = append(problems, usage("there is nothing to answer: give --input, --input-file, --image or --request"))
	}
	if fs.Changed("max-output-tokens") && f.maxOutputTokens < minOutputTokens {
		problems = append(problems, jobs.Invalid("max_output_tokens", "is %d; give at least %d", f.maxOutputTokens, minOutputTokens))
	}
	if fs.Changed("model") && strings.TrimSpace(f.model) == "" {
		problems = append(problems, jobs.Invalid("model", "is empty; leave it out for the default"))
	}
	return errors.Join(problems...)
}

// text is the text to answer, "" if there are only images.
func (f *requestFlags) text(ctx context.Context, fs *pflag.FlagSet, stdin io.Reader, limit int) (string, error) {
	text, source := f.input, "input"
	file := f.inputFile
	if fs.Changed("input-file") {
		source = "input-file"
	} else if f.input == "-" {
		file = "-"
	}
	if file != "" || source == "input-file" {
		raw, err := readInput(ctx, source, file, stdin, limit)
		if err != nil {
			return "", err
		}
		text = string(raw)
	}
	switch {
	case !utf8.ValidString(text):
		return "", jobs.Invalid(source, "is not valid UTF-8 text")
	case strings.TrimSpace(text) == "" && fs.Changed(source):
		return "", jobs.Invalid(source, "is empty; give the text to answer")
	}
	return text, nil
}

// readInput reads a file, or stdin for "-", up to limit.
func readInput(ctx context.Context, flag, file string, stdin io.Reader, limit int) ([]byte, error) {
	if file == "" {
		return nil, usage("--%s: name a file", flag)
	}
	var raw []byte
	var err error
	if file == "-" {
		raw, err = readStdin(ctx, stdin, limit)
	} else {
		raw, err = readFile(file, limit)
	}
	err = bounded(flag, raw, limit, err)
	return bytes.TrimPrefix(raw, []byte(byteOrderMark)), err
}

// byteOrderMark is what some editors put before a text; it is not part of it.
const byteOrderMark = "\ufeff"

// errFolder says that a folder was named for a file.
var errFolder = errors.New("is a folder; name a file")

func bounded(flag string, raw []byte, limit int, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission), errors.Is(err, errFolder):
		return usage("--%s: %w", flag, err)
	case err != nil:
		return fmt.Errorf("--%s: %w", flag, err)
	case len(raw) > limit:
		return jobs.Invalid(flag, "has more than %d bytes; no more are accepted (jobs.max_request_bytes)", limit)
	}
	return nil
}

// readFile reads at most one byte more than limit.
func readFile(file string, limit int) (raw []byte, err error) {
	f, err := os.Open(file) //nolint:gosec // G304: reading the files that the caller names is the task
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s %w", file, errFolder)
	}
	return io.ReadAll(io.LimitReader(f, int64(limit)+1))
}

// readStdin reads at most one byte more than limit, until ctx is done. The
// goroutine of a read that was given up ends with the process.
func readStdin(ctx context.Context, stdin io.Reader, limit int) ([]byte, error) {
	type answer struct {
		raw []byte
		err error
	}
	read := make(chan answer, 1)
	go func() {
		raw, err := io.ReadAll(io.LimitReader(stdin, int64(limit)+1))
		read <- answer{raw, err}
	}()
	select {
	case a := <-read:
		return a.raw, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// readImage makes a data URL of an image, whose type is told by its content.
func readImage(file string) (inputImage, error) {
	raw, err := readFile(file, maxImageBytes)
	name := filepath.Base(file)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission), errors.Is(err, errFolder):
		return inputImage{}, usage("--image: %w", err)
	case err != nil:
		return inputImage{}, fmt.Errorf("--image: %w", err)
	case len(raw) > maxImageBytes:
		return inputImage{}, jobs.Invalid("image", "%s has more than %d MiB; make it smaller, or give its URL in a --request", name, maxImageBytes>>20)
	}
	switch kind := http.DetectContentType(raw); kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		url := "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(raw)
		return inputImage{Type: "input_image", ImageURL: url, Detail: "auto"}, nil
	}
	return inputImage{}, jobs.Invalid("image", "%s is no PNG, JPEG, GIF or WebP", name)
}
