package simulator

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds on files. OpenAI's are 512 MB for one file, of which a batch takes 200 MB, and far
// more in all than a stand-in should keep in memory.
const (
	maxFileBytes  = 512 << 20
	maxShelfBytes = 1 << 30
	filePrefix    = "file-"
)

// batchFileLife is how long files of batches are kept unless something else is asked for.
const batchFileLife = 30 * 24 * time.Hour

// The purposes of files that matter here.
const (
	purposeBatch  = "batch"
	purposeOutput = "batch_output"
)

// file is one that was uploaded, or that a batch has written. It never changes.
type file struct {
	id, project, name, purpose string
	created, expires           time.Time // expires is zero for never
	content                    []byte
}

// fileObject is a file as the API shows it.
type fileObject struct {
	Object        string  `json:"object"`
	ID            string  `json:"id"`
	Purpose       string  `json:"purpose"`
	Filename      string  `json:"filename"`
	Bytes         int     `json:"bytes"`
	CreatedAt     int64   `json:"created_at"`
	ExpiresAt     *int64  `json:"expires_at"`
	Status        string  `json:"status"`
	StatusDetails *string `json:"status_details"`
}

func (f *file) object() fileObject {
	return fileObject{
		Object: "file", ID: f.id, Purpose: f.purpose, Filename: f.name, Bytes: len(f.content),
		CreatedAt: f.created.Unix(), ExpiresAt: unixOrNull(f.expires), Status: "processed",
	}
}

// unixOrNull is a time in seconds, nil for the zero time.
func unixOrNull(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.Unix())
}

// shelf keeps files until they expire or are deleted.
type shelf struct {
	mu    sync.Mutex
	files []*file // by age
	bytes int
}

// put keeps a file, unless there is no room for it.
func (s *shelf) put(f *file, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
	if s.bytes+len(f.content) > maxShelfBytes {
		return false
	}
	s.files = append(s.files, f)
	s.bytes += len(f.content)
	return true
}

func (s *shelf) expireLocked(now time.Time) {
	s.dropLocked(func(f *file) bool { return !f.expires.IsZero() && now.After(f.expires) })
}

func (s *shelf) dropLocked(gone func(*file) bool) (dropped int) {
	s.files = slices.DeleteFunc(s.files, func(f *file) bool {
		if !gone(f) {
			return false
		}
		s.bytes -= len(f.content)
		dropped++
		return true
	})
	return dropped
}

// find returns a file of a project.
func (s *shelf) find(project, id string, now time.Time) (*file, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
	i := slices.IndexFunc(s.files, func(f *file) bool { return f.id == id && f.project == project })
	if i < 0 {
		return nil, false
	}
	return s.files[i], true
}

func (s *shelf) remove(project, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropLocked(func(f *file) bool { return f.id == id && f.project == project }) > 0
}

// list returns the files of a project, the newest first.
func (s *shelf) list(project, purpose string, now time.Time) []*file {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
	var found []*file
	for _, f := range slices.Backward(s.files) {
		if f.project == project && (purpose == "" || f.purpose == purpose) {
			found = append(found, f)
		}
	}
	return found
}

// routeFiles serves the routes below /files.
func (e *exchange) routeFiles(ctx context.Context, id, verb string) {
	switch route := e.r.Method + " " + verb; {
	case route == "POST " && id == "":
		e.upload(ctx)
	case route == "GET " && id == "":
		e.listFiles()
	case route == "GET " && id != "":
		e.withFile(id, func(f *file) { e.writeJSON(f.object()) })
	case route == "GET content" && id != "":
		e.withFile(id, e.download)
	case route == "DELETE " && id != "":
		e.deleteFile(id)
	default:
		e.refuse(e.errInvalidURL())
	}
}

func errFileNotFound(id string) *apiError {
	err := notFound("No such File object: %s", clip(id, 128))
	err.param = "id"
	return err
}

func (e *exchange) withFile(id string, show func(*file)) {
	f, found := e.sim.shelf.find(e.project, id, e.started)
	if !found {
		e.refuse(errFileNotFound(id))
		return
	}
	show(f)
}

// upload handles POST /files.
func (e *exchange) upload(ctx context.Context) {
	f, fields, err := e.readForm()
	var keep time.Duration
	if err == nil {
		keep, err = f.check(fields)
	}
	if err != nil {
		e.refuse(err)
		return
	}
	now := time.Now()
	f.id, f.project, f.created = newFileID(), e.project, now
	if keep > 0 {
		f.expires = now.Add(keep)
	}
	if !e.sim.shelf.put(f, now) {
		e.refuse(invalid("file", "storage_limit_exceeded", "The files of this organization would exceed its storage limit."))
		return
	}
	if !e.misbehave(ctx) {
		e.writeJSON(f.object())
	}
}

// readForm reads the form of an upload: the file and the other fields.
func (e *exchange) readForm() (*file, map[string]string, *apiError) {
	form, err := e.r.MultipartReader()
	if err != nil {
		return nil, nil, errForm()
	}
	f := &file{}
	fields := make(map[string]string)
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return f, fields, nil
		}
		if err != nil {
			return nil, nil, errForm()
		}
		if err := f.take(part, fields); err != nil {
			return nil, nil, err
		}
	}
}

func errForm() *apiError { return invalid("", "", "Could not parse multipart form") }

// take reads one part of the form.
func (f *file) take(part *multipart.Part, fields map[string]string) *apiError {
	limit := int64(1 << 10)
	if part.FormName() == "file" {
		limit = maxFileBytes
	}
	content, err := io.ReadAll(io.LimitReader(part, limit+1))
	switch {
	case err != nil:
		return errForm()
	case int64(len(content)) > limit:
		return &apiError{status: http.StatusRequestEntityTooLarge, kind: "invalid_request_error", param: part.FormName(), message: "The file exceeds the maximum size of 512 MB."}
	case part.FormName() == "file":
		f.name, f.content = part.FileName(), content
	default:
		fields[part.FormName()] = string(content)
	}
	return nil
}

// check holds a file to what its purpose demands, and says how long it is kept, 0 for always.
func (f *file) check(fields map[string]string) (keep time.Duration, err *apiError) {
	purposes := []string{"fine-tune", "assistants", purposeBatch, "user_data", "vision", "evals"}
	f.purpose = fields["purpose"]
	switch {
	case f.purpose == "":
		return 0, errMissing("purpose")
	case !slices.Contains(purposes, f.purpose):
		return 0, invalid("purpose", "", "'%s' is not one of ['%s'] - 'purpose'", clip(f.purpose, 64), strings.Join(purposes, "', '"))
	case f.name == "":
		return 0, errMissing("file")
	case f.purpose == purposeBatch && !strings.HasSuffix(f.name, ".jsonl"):
		return 0, invalid("file", "", "Invalid file format for Batch API. Must be .jsonl")
	}
	anchor, seconds := fields["expires_after[anchor]"], fields["expires_after[seconds]"]
	switch {
	case anchor != "" || seconds != "":
		return parseExpiry("expires_after", anchor, seconds)
	case f.purpose == purposeBatch:
		return batchFileLife, nil
	}
	return 0, nil
}

// parseExpiry reads how long a file is to be kept: from an hour to thirty days.
func parseExpiry(param, anchor, seconds string) (time.Duration, *apiError) {
	if anchor != "created_at" {
		return 0, invalid(param+".anchor", "invalid_value", "Invalid value: '%s'. Supported values are: 'created_at'.", clip(anchor, 64))
	}
	n, err := strconv.Atoi(seconds)
	if err != nil || n < 3600 || n > int(batchFileLife/time.Second) {
		return 0, invalid(param+".seconds", "invalid_value", "Invalid value: '%s'. Expected an integer between 3600 and 2592000.", clip(seconds, 64))
	}
	return time.Duration(n) * time.Second, nil
}

func errMissing(param string) *apiError {
	return invalid(param, "missing_required_parameter", "Missing required parameter: '%s'.", param)
}

// download handles GET /files/{id}/content.
func (e *exchange) download(f *file) {
	if e.fault != nil && e.fault.Body != "" && e.fault.Status == 0 {
		e.reply(http.StatusOK, f.content) // which spoils it
		return
	}
	e.identify()
	e.w.Header().Set("Content-Type", "application/octet-stream")
	e.w.Header().Set("Content-Length", strconv.Itoa(len(f.content)))
	e.override()
	e.w.WriteHeader(http.StatusOK)
	_, _ = e.w.Write(f.content) // a client that has left is not our problem
}

func (e *exchange) deleteFile(id string) {
	if !e.sim.shelf.remove(e.project, id) {
		e.refuse(errFileNotFound(id))
		return
	}
	e.writeJSON(struct {
		Object  string `json:"object"`
		ID      string `json:"id"`
		Deleted bool   `json:"deleted"`
	}{"file", id, true})
}

// listFiles handles GET /files.
func (e *exchange) listFiles() {
	files := e.sim.shelf.list(e.project, e.r.URL.Query().Get("purpose"), e.started)
	objects := make([]fileObject, len(files))
	for i, f := range files {
		objects[i] = f.object()
	}
	listPage(e, objects, func(o fileObject) string { return o.ID }, 10_000)
}

// listing is a page of objects.
type listing[T any] struct {
	Object  string  `json:"object"`
	Data    []T     `json:"data"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

// listPage sends the page of the objects that the query asks for: limit of them, behind the one
// with the id after.
func listPage[T any](e *exchange, objects []T, id func(T) string, usual int) {
	query := e.r.URL.Query()
	limit := usual
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > max(usual, 100) {
			e.refuse(invalid("limit", "invalid_value", "Invalid value: '%s'. Expected an integer between 1 and %d.", clip(text, 64), max(usual, 100)))
			return
		}
		limit = n
	}
	if after := query.Get("after"); after != "" {
		i := slices.IndexFunc(objects, func(o T) bool { return id(o) == after })
		if i < 0 {
			e.refuse(invalid("after", "", "No object with id '%s' found.", clip(after, 128)))
			return
		}
		objects = objects[i+1:]
	}
	if objects == nil {
		objects = []T{} // which is written as a list
	}
	page := listing[T]{Object: "list", Data: objects[:min(limit, len(objects))], HasMore: len(objects) > limit}
	if n := len(page.Data); n > 0 {
		page.FirstID, page.LastID = new(id(page.Data[0])), new(id(page.Data[n-1]))
	}
	e.writeJSON(page)
}
