package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/fetch"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// input is a document to be.
type input struct {
	summarize.Source

	// read reads the document.
	read func(ctx context.Context) (summarize.Document, error)
}

// inputs are what the arguments stand for, as [summarize.Selection] has it.
type inputs struct {
	documents       []input
	skipped, failed []*summarize.SourceError
	// archives are those that were opened, and folders what else was looked through: folders,
	// and prefixes of buckets.
	archives, folders []string
	// gone are files that were there when it was looked before, where that is known.
	gone []string
}

// gatherer finds documents: files, pages of the web, and objects of buckets.
type gatherer struct {
	config config.Config
	fetch  *fetch.Client
	reader *summarize.Reader
	// exclude is what is not looked into.
	exclude []string
	// steps shows how far something has come; see [cli.showSteps].
	steps    func(ctx context.Context, title string, total int, done func() int) (stop func())
	archives archives
}

// close gives back what the gatherer holds.
func (g *gatherer) close() error {
	g.fetch.Close()
	return g.reader.Close()
}

// gather finds the documents that arguments stand for, ordered by path, each once. What
// is wrong with one of them does not affect the others.
func (g *gatherer) gather(ctx context.Context, args []string) (inputs, error) {
	var found inputs
	var local []string
	var packed []remoteArchive
	for _, arg := range args {
		switch scheme(arg) {
		case "http", "https":
			page, archive, err := g.page(arg)
			if archive != nil {
				packed = append(packed, *archive)
				continue
			}
			found.add(page, err)
		case "s3":
			more, err := g.bucket(ctx, arg, &found)
			if err != nil {
				return found, err
			}
			packed = append(packed, more...)
		default:
			local = append(local, arg)
		}
	}
	if err := g.unpack(ctx, packed, &found); err != nil {
		return found, err
	}
	if len(local) > 0 {
		if err := g.files(ctx, local, &found); err != nil {
			return found, err
		}
	}
	slices.SortStableFunc(found.documents, byPath)
	found.documents = slices.CompactFunc(found.documents, func(a, b input) bool {
		if a.Path == b.Path && a.Archive != b.Archive { // an object whose key is like the name of one in an archive
			found.skipped = append(found.skipped, &summarize.SourceError{Path: b.Path, Err: errSamePath})
		}
		return a.Path == b.Path
	})
	return found, nil
}

// add takes a document up, or what is wrong with it.
func (f *inputs) add(d input, err error) {
	if err != nil {
		f.failed = append(f.failed, &summarize.SourceError{Path: d.Path, Err: err})
		return
	}
	f.documents = append(f.documents, d)
}

// count is how many documents there are, and how many that cannot be read.
func (f *inputs) count() int { return len(f.documents) + len(f.failed) }

// without leaves out the documents that a condition holds for, by their paths.
func (f *inputs) without(out func(path string) bool) inputs {
	return inputs{
		documents: slices.DeleteFunc(slices.Clone(f.documents), func(d input) bool { return out(d.Path) }),
		failed:    slices.DeleteFunc(slices.Clone(f.failed), func(e *summarize.SourceError) bool { return out(e.Path) }),
	}
}

// elsewhere is what are no local files.
func (f *inputs) elsewhere() inputs {
	return f.without(func(path string) bool { return scheme(path) == "" })
}

// and is both together, ordered by path.
func (f *inputs) and(more inputs) inputs {
	both := inputs{
		documents: slices.Concat(f.documents, more.documents), failed: slices.Concat(f.failed, more.failed),
		archives: slices.Concat(f.archives, more.archives), folders: slices.Concat(f.folders, more.folders),
	}
	slices.SortStableFunc(both.documents, byPath)
	return both
}

func byPath(a, b input) int { return cmp.Compare(a.Path, b.Path) }

// scheme is that of a URL, "" for what is a path.
func scheme(arg string) string {
	name, _, ok := strings.Cut(arg, "://")
	if !ok {
		return ""
	}
	return strings.ToLower(name)
}

// files finds local documents.
func (g *gatherer) files(ctx context.Context, args []string, found *inputs) error {
	selection, err := summarize.Expand(ctx, args, summarize.ExpandOptions{Exclude: g.exclude})
	if err != nil {
		return err
	}
	for _, source := range selection.Sources {
		found.documents = append(found.documents, input{Source: source, read: func(ctx context.Context) (summarize.Document, error) {
			return g.reader.Read(ctx, source)
		}})
	}
	for _, failed := range selection.Failed {
		if errors.Is(failed, summarize.ErrOutput) && failed.Archive == "" { // it was named, and --out as well
			failed.Err = fmt.Errorf("%w: --out is the folder of the documents; name another", summarize.ErrOutput)
		}
	}
	found.skipped = append(found.skipped, selection.Skipped...)
	found.failed = append(found.failed, selection.Failed...)
	found.archives = append(found.archives, selection.Archives...)
	found.folders = append(found.folders, selection.Folders...)
	return nil
}

// errSamePath is why of two documents that go by the same path only one is read.
var errSamePath = fmt.Errorf("%w: another document goes by this path", summarize.ErrUnsafeName)

// page is a document of the web, or an archive of documents if its address says so. Of what
// kind a document is, its server says.
func (g *gatherer) page(address string) (input, *remoteArchive, error) {
	u, err := url.Parse(address)
	if err != nil {
		return input{Source: summarize.Source{Path: address}}, nil, errors.New("is no URL")
	}
	shown := u.Redacted()
	u.Fragment, u.RawFragment = "", ""
	d := input{Source: summarize.Source{Path: shown}}
	if err := fetch.Check(address); err != nil {
		return d, nil, err
	}
	d.Path = u.String()
	if summarize.IsArchive(u.Path) {
		return d, &remoteArchive{Source: d.Source, get: func(ctx context.Context) ([]byte, error) {
			content, err := g.fetch.Get(ctx, d.Path)
			return content.Body, err
		}}, nil
	}
	d.read = func(ctx context.Context) (summarize.Document, error) {
		content, err := g.fetch.Get(ctx, d.Path)
		if err != nil {
			return summarize.Document{}, &summarize.SourceError{Path: d.Path, Err: err}
		}
		kind, known := summarize.KindOfContent(content.Type, content.Name)
		if !known && (summarize.IsArchive(content.Name) || strings.HasSuffix(content.Type, "/zip")) {
			return summarize.Document{}, &summarize.SourceError{
				Path: d.Path, Err: fmt.Errorf("%w: the server sent an archive, which is opened only at an address whose path ends in .zip", summarize.ErrUnsupported),
			}
		}
		if !known {
			return summarize.Document{}, &summarize.SourceError{
				Path: d.Path, Err: fmt.Errorf("%w: the server sent %.100q", summarize.ErrUnsupported, cmp.Or(content.Type, content.Name)),
			}
		}
		return g.reader.Parse(ctx, d.Path, kind, content.Body)
	}
	return d, nil, nil
}

// bucket finds the documents below a prefix of a bucket, and returns the archives.
func (g *gatherer) bucket(ctx context.Context, address string, found *inputs) (packed []remoteArchive, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, usage("%s is no URL; write s3://bucket/prefix", address)
	}
	reader, err := app.OpenDocuments(g.config, address)
	if err != nil {
		return nil, err
	}
	named := strings.TrimPrefix(u.Path, "/")
	before := len(found.documents) + len(found.skipped) + len(found.failed)
	for object, err := range reader.Objects(ctx) {
		if err != nil {
			return nil, fmt.Errorf("s3://%s: %w", u.Host, err)
		}
		source := summarize.Source{Path: "s3://" + u.Host + "/" + object.Key, Bytes: object.Bytes}
		get := func(ctx context.Context) ([]byte, error) {
			return reader.Get(ctx, object.Key, summarize.DefaultFileBytes)
		}
		if summarize.IsArchive(object.Key) {
			packed = append(packed, remoteArchive{Source: source, get: get})
			continue
		}
		kind, known := summarize.KindOf(object.Key)
		switch {
		case !known && object.Key != named:
			found.skipped = append(found.skipped, &summarize.SourceError{Path: source.Path, Err: fmt.Errorf("%w %s", summarize.ErrUnsupported, path.Ext(object.Key))})
			continue
		case !known:
			kind = summarize.KindText // who named it says that it is a document
		}
		source.Kind = kind
		found.documents = append(found.documents, input{Source: source, read: func(ctx context.Context) (summarize.Document, error) {
			content, err := get(ctx)
			if err != nil {
				return summarize.Document{}, &summarize.SourceError{Path: source.Path, Err: err}
			}
			return g.reader.Parse(ctx, source.Path, kind, content)
		}})
	}
	found.folders = append(found.folders, strings.TrimSuffix("s3://"+u.Host+"/"+named, "/"))
	if len(packed) == 0 && before == len(found.documents)+len(found.skipped)+len(found.failed) {
		found.failed = append(found.failed, &summarize.SourceError{Path: "s3://" + u.Host + u.Path, Err: errors.New("there is no object below this prefix")})
	}
	return packed, nil
}
