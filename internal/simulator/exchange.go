package simulator

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// organization is what the header openai-organization and messages about limits say.
const organization = "org-simulator"

// exchange is one request and its answer.
type exchange struct {
	sim      *Simulator
	settings *settings
	w        http.ResponseWriter
	r        *http.Request
	started  time.Time
	project  string       // of the request's key
	fault    *FaultAction // nil if the answer is as it should be
}

// route finds the handler. Paths are the same with and without /v1.
func (e *exchange) route(ctx context.Context) {
	path := e.r.URL.Path
	if rest, ok := strings.CutPrefix(path, "/_sim/"); ok {
		e.routeAdmin(ctx, rest)
		return
	}
	resource, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "/v1"), "/"), "/")
	if !slices.Contains([]string{"responses", "models", "files", "batches"}, resource) {
		e.refuse(e.errInvalidURL())
		return
	}
	if err := e.authenticate(); err != nil {
		e.refuse(err)
		if e.r.Method == http.MethodPost && resource == "responses" && rest == "" {
			e.sim.store.count(func(t *Totals) { t.CreatesRefused++ })
		}
		return
	}
	id, verb, _ := strings.Cut(rest, "/")
	switch {
	case resource == "files" || resource == "batches":
		e.routeOthers(ctx, resource, id, verb)
	case resource == "models" && e.r.Method == http.MethodGet:
		e.models(rest)
	case resource == "models":
		e.refuse(e.errInvalidURL())
	default:
		e.routeResponses(ctx, e.r.Method, id, verb)
	}
	e.log(ctx, resource)
}

// routeOthers serves files and batches, unless a fault comes first.
func (e *exchange) routeOthers(ctx context.Context, resource, id, verb string) {
	op := opOf(resource, e.r.Method, id, verb)
	if e.prevented(ctx, op, nil) {
		return
	}
	if resource == "files" {
		e.routeFiles(ctx, id, verb)
		return
	}
	e.routeBatches(ctx, id, verb)
}

// opOf is what rules about files and batches call a request.
func opOf(resource, method, id, verb string) string {
	switch {
	case resource == "files" && method == http.MethodPost:
		return opUpload
	case resource == "files" && verb == "content":
		return opDownload
	case resource == "files":
		return opFile
	case method == http.MethodPost && id == "":
		return opBatch
	case method == http.MethodPost:
		return opBatchCancel
	}
	return opBatchGet
}

func (e *exchange) routeResponses(ctx context.Context, method, id, verb string) {
	switch {
	case method == http.MethodPost && id == "":
		e.create(ctx)
	case method == http.MethodPost && id == "input_tokens" && verb == "":
		e.countTokens()
	case method == http.MethodGet && id != "" && verb == "":
		e.get(ctx, id)
	case method == http.MethodGet && id != "" && verb == "input_items":
		e.inputItems(id)
	case method == http.MethodDelete && id != "" && verb == "":
		e.delete(ctx, id)
	case method == http.MethodPost && id != "" && verb == "cancel":
		e.cancel(ctx, id)
	default:
		e.refuse(e.errInvalidURL())
	}
}

func (e *exchange) errInvalidURL() *apiError {
	return notFound("Invalid URL (%s %s)", e.r.Method, clip(e.r.URL.Path, 256))
}

func (e *exchange) authenticate() *apiError {
	key, ok := strings.CutPrefix(e.r.Header.Get("Authorization"), "Bearer ")
	key = strings.TrimSpace(key)
	if !ok || key == "" {
		return errMissingKey()
	}
	project, err := e.settings.access(key, e.r.Header.Get("Openai-Project"))
	e.project = project
	return err
}

// log records the request without its content: a path holds nothing but a response's id.
func (e *exchange) log(ctx context.Context, resource string) {
	if e.sim.logger.Enabled(ctx, slog.LevelDebug) {
		e.sim.logger.LogAttrs(ctx, slog.LevelDebug, "request answered",
			slog.String("resource", resource), slog.String("method", e.r.Method),
			slog.Bool("fault", e.fault != nil), slog.Duration("elapsed", time.Since(e.started)))
	}
}

// identify sets the headers that every answer carries.
func (e *exchange) identify() {
	header := e.w.Header()
	values := []string{
		newRequestID(), "2020-10-01", strconv.FormatInt(time.Since(e.started).Milliseconds(), 10), organization,
	}
	header["X-Request-Id"] = values[0:1:1]
	header["Openai-Version"] = values[1:2:2]
	header["Openai-Processing-Ms"] = values[2:3:3]
	header["Openai-Organization"] = values[3:4:4]
}

// override sets the headers that a fault asks for.
func (e *exchange) override() {
	if e.fault == nil {
		return
	}
	for name, value := range e.fault.Headers {
		if value == "" {
			e.w.Header().Del(name)
		} else {
			e.w.Header().Set(name, value)
		}
	}
}

// reply sends a body of JSON.
func (e *exchange) reply(status int, body []byte) {
	contentType := "application/json"
	if e.fault != nil && e.fault.Body != "" {
		body, contentType = e.spoil(body)
	}
	e.identify()
	header := e.w.Header()
	header["Content-Type"] = []string{contentType}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	e.override()
	e.w.WriteHeader(status)
	_, _ = e.w.Write(body) // a client that has left is not our problem
}

// spoil returns the body that the fault puts in place of the right one.
func (e *exchange) spoil(body []byte) (spoilt []byte, contentType string) {
	switch e.fault.Body {
	case "text":
		return append(appendQuoted([]byte(`{"error":`), http.StatusText(max(e.fault.Status, http.StatusOK))), '}'), "application/json"
	case "html":
		return []byte("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n" +
			"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"), "text/html"
	case "empty":
		return nil, "application/json"
	case "object":
		return []byte("{}"), "application/json"
	case "cut":
		return body[:len(body)/2], "application/json"
	}
	return body, "application/json"
}

// refuse sends an error.
func (e *exchange) refuse(err *apiError) {
	if err.retryAfter > 0 {
		header := e.w.Header()
		header.Set("Retry-After", strconv.FormatInt(int64((err.retryAfter+time.Second-1)/time.Second), 10))
		header.Set("Retry-After-Ms", strconv.FormatInt(int64((err.retryAfter+time.Millisecond-1)/time.Millisecond), 10))
	}
	e.reply(err.status, err.body())
}

// wait returns nil when d has passed, or earlier if woken is closed. It returns an error as soon
// as ctx, the request's context, ends because the client has left, or the simulator is closed.
func (e *exchange) wait(ctx context.Context, d time.Duration, woken <-chan struct{}) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-woken:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-e.sim.closed:
		return errClosed
	}
}

// misbehave gives the answer that the fault puts in place of the right one. It reports false if
// there is none to give, or if the right one only has to be spoilt.
func (e *exchange) misbehave(ctx context.Context) bool {
	fault := e.fault
	switch {
	case fault == nil || !fault.replaces():
		return false
	case fault.Hang:
		select {
		case <-ctx.Done():
		case <-e.sim.closed:
		}
		e.reset()
	case fault.Reset != "":
		e.reset()
	default:
		e.refuse(fault.apiError())
	}
	return true
}

// reset breaks the connection without an answer, with a TCP reset where there is TCP.
func (e *exchange) reset() {
	conn, _, err := http.NewResponseController(e.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server's own way to break a connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// buffers are reused for bodies. A pool per process is what sync.Pool is made for.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, 0, 4096)
	return &buf
}

// put takes a buffer back unless it has grown so large that keeping it would waste memory.
func (b *buffers) put(buf *[]byte) {
	if cap(*buf) <= 64<<10 {
		*buf = (*buf)[:0]
		b.pool.Put(buf)
	}
}

// replyView sends a response object as it looks now.
func (e *exchange) replyView(v view) {
	if after := e.settings.PollAfter; after > 0 && !v.status.Terminal() {
		e.w.Header().Set("Openai-Poll-After-Ms", strconv.FormatInt(after.Milliseconds(), 10))
	}
	buf := e.sim.buffers.get()
	*buf = append(v.appendJSON(*buf), '\n')
	e.reply(http.StatusOK, *buf)
	e.sim.buffers.put(buf)
}

// modelsCreated is the time that the list of models shows: 2025-04-10.
const modelsCreated = 1_744_316_542

// models lists the models, or shows one.
func (e *exchange) models(name string) {
	object := func(dst []byte, name string) []byte {
		dst = appendQuoted(append(dst, `{"id":`...), name)
		dst = appendInt(append(dst, `,"object":"model","created":`...), modelsCreated)
		return append(dst, `,"owned_by":"system"}`...)
	}
	if name != "" {
		if !slices.Contains(e.settings.models.listed, name) {
			err := notFound("The model '%s' does not exist", clip(name, 128))
			err.param, err.code = "model", "model_not_found"
			e.refuse(err)
			return
		}
		e.reply(http.StatusOK, object(nil, name))
		return
	}
	body := []byte(`{"object":"list","data":[`)
	for i, listed := range e.settings.models.listed {
		if i > 0 {
			body = append(body, ',')
		}
		body = object(body, listed)
	}
	e.reply(http.StatusOK, append(body, "]}"...))
}
