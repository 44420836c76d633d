package summarize

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	// maxUnpacked bounds what is unpacked of one document.
	maxUnpacked = 256 << 20
	// maxRatio bounds how much larger than packed a file in an archive may be, once
	// it is larger than freelyUnpacked. Sheets of numbers reach 50, bombs 1,000.
	maxRatio       = 200
	freelyUnpacked = 4 << 20
	// maxArchived bounds the number of files in an archive.
	maxArchived = 1 << 16
)

// archive is a zip archive that holds a document. Its names are only looked up,
// never used as paths.
type archive struct {
	files map[string]*zip.File
	// left is how much may still be unpacked.
	left int64
}

func openArchive(content []byte) (*archive, error) {
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("%w: the archive that it consists of is damaged: %w", ErrMalformed, err)
	}
	if len(r.File) > maxArchived {
		return nil, fmt.Errorf("%w: the archive that it consists of holds %d files", ErrOversize, len(r.File))
	}
	a := &archive{files: make(map[string]*zip.File, len(r.File)), left: maxUnpacked}
	for _, f := range r.File {
		if name := partName(f.Name); a.files[name] == nil {
			a.files[name] = f
		}
	}
	return a, nil
}

// partName returns the form of a name under which it is looked up. The formats
// make no difference between large and small letters.
func partName(name string) string {
	return strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(strings.ToLower(name), `\`, "/")), "/")
}

func (a *archive) has(name string) bool { return a.files[partName(name)] != nil }

// hasFolder reports whether there is a file whose name begins so.
func (a *archive) hasFolder(prefix string) bool {
	for name := range a.files {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// open unpacks a file while it is read, within the limits.
func (a *archive) open(name string) (io.ReadCloser, error) {
	f := a.files[partName(name)]
	if f == nil {
		return nil, fmt.Errorf("%w: %s is missing in it", ErrMalformed, quoteName(name))
	}
	if f.Flags&1 != 0 {
		return nil, ErrEncrypted
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: unpack %s: %w", ErrMalformed, quoteName(name), err)
	}
	return &unpacking{ReadCloser: r, archive: a, packed: int64(f.CompressedSize64)}, nil //nolint:gosec // a size that is wrong only refuses more
}

// readAll unpacks a whole file.
func (a *archive) readAll(name string) ([]byte, error) {
	r, err := a.open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, unpackError(name, err)
	}
	return content, nil
}

// unpackError says which file of an archive an error is about, unless it is one
// about the whole document.
func unpackError(name string, err error) error {
	switch {
	case errors.Is(err, ErrOversize), errors.Is(err, ErrEncrypted):
		return err
	case errors.Is(err, ErrMalformed):
		return fmt.Errorf("%w, in %s", err, quoteName(name))
	}
	return fmt.Errorf("%w: read %s in it: %w", ErrMalformed, quoteName(name), err)
}

// unpacking is a file of an archive that is being read. It believes what comes
// out and not what the archive says of sizes.
type unpacking struct {
	io.ReadCloser

	archive *archive
	packed  int64
	read    int64
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.read += int64(n)
	u.archive.left -= int64(n)
	switch {
	case u.archive.left < 0:
		return 0, fmt.Errorf("%w: it unpacks to more than %d bytes", ErrOversize, maxUnpacked)
	case u.read > freelyUnpacked && u.read > maxRatio*u.packed:
		return 0, fmt.Errorf("%w: a part of it unpacks to more than %d times its size", ErrOversize, maxRatio)
	}
	return n, err
}
