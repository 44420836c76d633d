package pdf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// wasmPage is the unit of memory in WebAssembly, in bytes.
const wasmPage = 64 << 10

// engine is PDFium, compiled for this machine.
type engine struct {
	pool pdfium.Pool
	// closeCache gives back the cache, if there is one.
	closeCache func() error
}

// start compiles PDFium, or fetches what an earlier process has compiled. The
// context must last as long as the engine.
func start(ctx context.Context, config Config) (*engine, error) {
	settings := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		WithMemoryLimitPages(uint32(min(max(config.Memory/wasmPage, 1), 1<<16))).
		// Without this a document that has PDFium run in circles could not be stopped.
		WithCloseOnContextDone(true)
	e := &engine{closeCache: func() error { return nil }}
	if usable(config.CacheDir) {
		// A cache that cannot be had costs the time to compile, and no document.
		if cache, err := wazero.NewCompilationCacheWithDir(config.CacheDir); err == nil {
			e.closeCache = func() error { return cache.Close(ctx) }
			settings = settings.WithCompilationCache(cache)
		}
	}
	pool, err := webassembly.Init(webassembly.Config{
		Context:       experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0)),
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
