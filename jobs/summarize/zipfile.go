package summarize

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

const (
	// maxEntries bounds the number of files in an archive of documents.
	maxEntries = 1 << 16
	// maxDirectory bounds what is read of an archive to learn what is in it, in bytes:
	// its directory, which takes about a hundred for each file.
	maxDirectory = 16 << 20
	// maxArchive bounds what the files in an archive of documents unpack to together.
	maxArchive = 16 << 30
)

// zipFile is an archive of documents. Its names are never used as paths.
type zipFile struct {
	bytes io.ReaderAt
	// closer is nil for an archive in memory.
	closer io.Closer
	zip    *zip.Reader
	size   int64
	// named holds the files by their names, as they are stored.
	named map[string]*zip.File
}

// openZipFile opens an archive that lies on disk.
func openZipFile(name string) (*zipFile, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	file, err := os.Open(name) //nolint:gosec // reading the files that the caller names is the task
	if err != nil {
		return nil, err
	}
	z := &zipFile{bytes: file, closer: file, size: info.Size()}
	if err := z.open(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return z, nil
}

// open reads what is in an archive and refuses what no honest one does: parts that
// overlap, and a size that its own cannot account for.
func (z *zipFile) open() error {
	bounded := &boundedReaderAt{ReaderAt: z.bytes}
	bounded.left.Store(maxDirectory)
	var err error
	z.zip, err = zip.NewReader(bounded, z.size)
	switch {
	case bounded.left.Load() < 0:
		return fmt.Errorf("%w: the directory of the archive has more than %d bytes", ErrOversize, maxDirectory)
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return fmt.Errorf("%w: the archive is damaged: %w", ErrMalformed, err)
	case len(z.zip.File) > maxEntries:
		return fmt.Errorf("%w: the archive holds %d files, the limit is %d", ErrOversize, len(z.zip.File), maxEntries)
	}
	bounded.left.Store(1 << 62)
	z.named = make(map[string]*zip.File, len(z.zip.File))
	for _, f := range z.zip.File {
		z.named[f.Name] = f
	}
	return z.check()
}

// check refuses bombs before anything is unpacked.
func (z *zipFile) check() error {
	type span struct{ from, to int64 }
	var spans []span
	var total uint64
	for _, f := range z.zip.File {
		if total += f.UncompressedSize64; total > maxArchive || f.UncompressedSize64 > maxArchive {
			return fmt.Errorf("%w: the archive unpacks to more than %d bytes", ErrOversize, int64(maxArchive))
		}
		offset, err := f.DataOffset()
		if err != nil {
			return fmt.Errorf("%w: the archive is damaged at %s: %w", ErrMalformed, quoteName(f.Name), err)
		}
		if f.CompressedSize64 > uint64(z.size) { //nolint:gosec // a size is not negative
			return fmt.Errorf("%w: the archive breaks off inside %s", ErrMalformed, quoteName(f.Name))
		}
		if f.CompressedSize64 > 0 {
			spans = append(spans, span{offset, offset + int64(f.CompressedSize64)}) //nolint:gosec // no larger than the file
		}
	}
	if total > freelyUnpacked && total > maxRatio*uint64(z.size) { //nolint:gosec // a size is not negative
		return fmt.Errorf("%w: the archive unpacks to more than %d times its size", ErrOversize, maxRatio)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return fmt.Errorf("%w: files in the archive overlap, as they do in a bomb", ErrMalformed)
		}
	}
	return nil
}

func (z *zipFile) close() error {
	if z.closer == nil {
		return nil
	}
	return z.closer.Close()
}

// holds returns the kind of document that the archive itself is, if it is one
// by another name.
func (z *zipFile) holds() (Kind, bool) {
	for _, f := range z.zip.File {
		switch partName(f.Name) {
		case "word/document.xml":
			return KindDOCX, true
		case "ppt/presentation.xml":
			return KindPPTX, true
		case "xl/workbook.xml":
			return KindXLSX, true
		}
	}
	return "", false
}

// entries returns what may be read of an archive, and what may not with the
// reason, in the order of the archive. Folders and what is hidden are left out.
func (z *zipFile) entries() (found []*zip.File, names []string, refused []*SourceError) {
	// Names that differ as they are stored may be one when they are decoded.
	stored, shown := make(map[string]int), make(map[string]int)
	decoded := make([]string, len(z.zip.File))
	for i, f := range z.zip.File {
		decoded[i] = entryName(f)
		stored[f.Name]++
		shown[decoded[i]]++
	}
	for i, f := range z.zip.File {
		name := decoded[i]
		if strings.HasSuffix(f.Name, "/") || hiddenEntry(name) {
			continue
		}
		err := refuseEntry(f, name)
		if err == nil && (stored[f.Name] > 1 || shown[name] > 1) {
			err = fmt.Errorf("%w: several files in the archive have this name", ErrMalformed)
		}
		if err != nil {
			refused = append(refused, &SourceError{Path: name, Err: err})
			continue
		}
		found, names = append(found, f), append(names, name)
	}
	return found, names, refused
}

// content sorts what is in an archive into documents, files that are none, and those that
// are refused. id is the path of the archive, and location where it lies if that does not
// say it.
func (z *zipFile) content(id, location string) (found []Source, skipped, refused []*SourceError) {
	files, names, refused := z.entries()
	for _, r := range refused {
		r.Path, r.Archive, r.File = id+"/"+r.Path, id, location
	}
	for i, f := range files {
		source := Source{Path: id + "/" + names[i], Archive: id, Entry: f.Name, Bytes: int64(f.UncompressedSize64), File: location} //nolint:gosec // checked when it was opened
		kind, ok := KindOf(names[i])
		switch {
		case IsArchive(names[i]):
			skipped = append(skipped, &SourceError{Path: source.Path, Err: ErrNested})
		case !ok:
			skipped = append(skipped, &SourceError{Path: source.Path, Err: ErrUnsupported})
		default:
			source.Kind = kind
			found = append(found, source)
		}
	}
	return found, skipped, refused
}

// entryName returns the name of a file in an archive in UTF-8. Names that are
// not declared to be so and are not are in whatever the packing machine used; what
// cannot be told is taken for the code page of DOS, as the format says.
func entryName(f *zip.File) string {
	if utf8.ValidString(f.Name) {
		return f.Name
	}
	return decodeName(f.Name)
}

// hiddenEntry reports whether a file or a folder that it is in is hidden.
func hiddenEntry(name string) bool {
	for element := range strings.SplitSeq(name, "/") {
		// What begins with two dots may be a detour, which is not to be passed over.
		if isHidden(element) && element != "." && !strings.HasPrefix(element, "..") {
			return true
		}
	}
	return false
}

// refuseEntry says why a file in an archive is not read: because it is no file, or
// because its name would lead somewhere if it were used as a path.
func refuseEntry(f *zip.File, name string) error {
	unsafe := func(what string) error {
		return fmt.Errorf("%w: its name in the archive %s", ErrUnsafeName, what)
	}
	switch mode := f.Mode(); {
	case mode&fs.ModeSymlink != 0:
		return ErrSymlink
	case !mode.IsRegular():
		return ErrNotRegular
	case strings.ContainsFunc(name, unicode.IsControl):
		return unsafe("contains control characters")
	case strings.Contains(name, `\`):
		return unsafe("contains a backslash")
	case path.IsAbs(name), len(name) > 1 && name[1] == ':':
		return unsafe("is an absolute path")
	case name != path.Clean(name), name == "..", strings.HasPrefix(name, "../"):
		return unsafe("takes detours")
	case f.Flags&1 != 0:
		return ErrEncrypted
	}
	return nil
}

// read unpacks a file, up to limit bytes. It believes what comes out and not
// what the archive says of sizes.
func (z *zipFile) read(name string, limit int64) (content []byte, err error) {
	f := z.named[name]
	if f == nil {
		return nil, fmt.Errorf("%w: it is in the archive no more", fs.ErrNotExist)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: unpack it: %w", ErrMalformed, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	// A file of the limit is still read: one more byte tells that it is larger.
	most := max(freelyUnpacked, maxRatio*int64(f.CompressedSize64)) //nolint:gosec // no larger than the file, which was checked when it was opened
	content, err = io.ReadAll(io.LimitReader(r, min(limit, most)+1))
	switch size := int64(len(content)); {
	case size > limit:
		return nil, fmt.Errorf("%w: it unpacks to more than %d bytes", ErrOversize, limit)
	case size > most:
		return nil, fmt.Errorf("%w: it unpacks to more than %d times its size", ErrOversize, maxRatio)
	case err != nil:
		return nil, fmt.Errorf("%w: unpack it: %w", ErrMalformed, err)
	}
	return content, nil
}

// boundedReaderAt fails after so many bytes.
type boundedReaderAt struct {
	io.ReaderAt

	left atomic.Int64
}

func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left.Add(-int64(len(p))) < 0 {
		return 0, ErrOversize
	}
	return b.ReaderAt.ReadAt(p, off)
}
