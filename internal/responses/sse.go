package responses

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
)

// errEventTooLarge says that an event is larger than a response may be.
var errEventTooLarge = errors.New("an event is larger than the cap")

// isStream reports whether an answer is a stream of events.
func isStream(res *http.Response) bool {
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return err == nil && kind == "text/event-stream" && res.StatusCode <= 299
}

// readEvents hands the data of each event to visit, which must not keep it, until that
// returns false or the stream ends. For an end between two events the error is nil: it
// says nothing about the response.
func readEvents(body io.Reader, limit int64, visit func(data []byte) bool) error {
	in := bufio.NewReader(body)
	var line, data []byte
	for {
		var err error
		if line, err = readLine(in, line[:0], limit); err != nil {
			if errors.Is(err, io.EOF) && (len(line) > 0 || len(data) > 0) {
				return io.ErrUnexpectedEOF // half an event is none
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if len(line) == 0 {
			if len(data) > 0 && !visit(data) {
				return nil
			}
			data = data[:0]
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		if string(field) != "data" {
			continue // its type is in the data too, and a comment is none
		}
		if len(data) > 0 {
			data = append(data, '\n')
		}
		if data = append(data, bytes.TrimPrefix(value, []byte(" "))...); int64(len(data)) > limit {
			return errEventTooLarge
		}
	}
}

// readLine appends a line to dst, without its end.
func readLine(in *bufio.Reader, dst []byte, limit int64) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		dst = append(dst, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(dst, "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return dst, err
		case int64(len(dst)) > limit+int64(len("data: ")):
			return dst, errEventTooLarge
		}
	}
}
