package pdf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// leastMemory is what PDFium takes before it has seen a document, in bytes.
const leastMemory = 24 << 20

// engine is PDFium, compiled for this machine.
type engine struct {
	// free has a place for each sandbox that there may be.
	free chan struct{}
	// mu guards the making of sandboxes.
	mu        sync.Mutex
	pool      pdfium.Pool
	allocator *allocator
	// closeCache gives back the cache, if there is one.
	closeCache func() error
}

// start compiles PDFium, or fetches what an earlier process has compiled. The
// context must last as long as the engine.
func start(ctx context.Context, config Config) (*engine, error) {
	settings := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		// Without this a document that has PDFium run in circles could not be stopped.
		WithCloseOnContextDone(true)
	e := &engine{
		free:       make(chan struct{}, config.Parallel),
		allocator:  &allocator{bytes: int(min(max(config.Memory, leastMemory), 4<<30))},
		closeCache: func() error { return nil },
	}
	if usable(config.CacheDir) {
		// A cache that cannot be had costs the time to compile, and no document.
		if cache, err := wazero.NewCompilationCacheWithDir(config.CacheDir); err == nil {
			e.closeCache = func() error { return cache.Close(ctx) }
			settings = settings.WithCompilationCache(cache)
		}
	}
	pool, err := webassembly.Init(webassembly.Config{
		Context:       experimental.WithMemoryAllocator(experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0)), e.allocator),
		MaxTotal:      config.Parallel,
		RuntimeConfig: settings,
		FSConfig:      wazero.NewFSConfig(), // no file of this machine is to be seen
		Stdout:        io.Discard,
		Stderr:        io.Discard,
	})
	if err != nil {
		return nil, errors.Join(err, e.closeCache())
	}
	e.pool = pool
	return e, nil
}

// sandbox returns a sandbox and its memory, which must be released after the
// sandbox, and makes others wait while there are as many as there may be.
func (e *engine) sandbox(ctx context.Context) (pdfium.Pdfium, *memory, error) {
	select {
	case e.free <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	made, err := e.pool.GetInstanceWithContext(ctx)
	space := e.allocator.take()
	switch {
	case err == nil && space != nil:
		return made, space, nil
	case err == nil:
		err = errors.New("it has no memory of its own")
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	if space != nil {
		err = errors.Join(err, space.release())
	}
	<-e.free
	return nil, nil, err
}

// release gives back the memory of a sandbox that has ended, and its place.
func (e *engine) release(space *memory) error {
	defer func() { <-e.free }()
	return space.release()
}

func (e *engine) close() error { return errors.Join(e.pool.Close(), e.closeCache()) }

// usable creates a folder for what is compiled and reports whether nobody but
// the user may write to it.
func usable(dir string) bool {
	if dir == "" {
		return false
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false
	}
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir() && checkFolder(info) == nil
}

// checkFolder refuses a folder that others may write to. Windows has no such
// bits; there the user's folders are the user's.
func checkFolder(info fs.FileInfo) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("others may write to it: its mode is %v", mode)
	}
	return checkOwner(info)
}
