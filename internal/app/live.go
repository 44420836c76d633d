package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// liveDir is where a Redis of one's own keeps its data, below the folder that
// the command runs in.
const liveDir = ".longhaul"

// StartLive starts a worker in this process that talks to OpenAI. It wants a
// Redis that keeps: the configured one, or a redis-server found on the path,
// which it then runs with an append-only file in ./.longhaul. Without either it
// refuses: ids lost at exit would be paid for again.
func StartLive(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *Local, err error) {
	cfg.HTTP.Addr = ""
	if cfg.OpenAI.APIKey.Reveal() == "" {
		return nil, jobs.Invalid("openai.api_key", "is empty; set OPENAI_API_KEY, or use --dev to try with the simulator")
	}
	var undo cleanups
	defer func() {
		if err != nil {
			err = errors.Join(err, undo.run())
		}
	}()
	kept := "the configured Redis"
	if !redisConfigured(cfg) {
		own, stop, err := LiveRedis(ctx, cfg, log)
		if err != nil {
			return nil, err
		}
		undo.add(stop)
		// A provider's webhooks lead to the workers of another installation, and so
		// may the address, which is theirs to bind.
		cfg, kept = withoutWebhooks(own), liveDir
		cfg.Webhooks.Addr = ""
	}
	l, err := startLocal(ctx, Options{Config: cfg, Log: log, Version: "live"}, &undo)
	if err != nil {
		return nil, err
	}
	l.notice = "live mode: requests go to " + destinations(cfg) + " and are paid for; jobs are kept in " + kept
	return l, nil
}

// LiveRedis returns the configuration with a Redis that keeps, as [StartLive] has it, and
// what ends that: for a command that only wants to know what is there, and must not send
// anything.
func LiveRedis(ctx context.Context, cfg config.Config, log *slog.Logger) (config.Config, func() error, error) {
	if redisConfigured(cfg) {
		return cfg, func() error { return nil }, nil
	}
	redis.SetLogger(redisLogger{log}) // before the first try, which finds no server
	socket, stop, err := startRedis(ctx, liveDir)
	if err != nil {
		return config.Config{}, nil, err
	}
	cfg.Redis.URL = config.NewSecret("unix://" + socket)
	return cfg, stop, nil
}

// destinations are the addresses that requests may be sent to.
func destinations(cfg config.Config) string {
	var urls []string
	for _, e := range cfg.AllEndpoints() {
		if e.APIKey.Reveal() != "" && !slices.Contains(urls, e.BaseURL) {
			urls = append(urls, e.BaseURL)
		}
	}
	return strings.Join(urls, ", ")
}

// redisConfigured reports whether somebody chose a Redis.
func redisConfigured(cfg config.Config) bool {
	for _, setting := range cfg.Table() {
		if setting.Key == "redis.url" {
			return setting.Source != "default"
		}
	}
	return false
}

// startRedis runs a redis-server whose data stays in dir, and returns its
// socket. One process at a time may have the folder; a server that a killed one
// left behind is taken over.
func startRedis(ctx context.Context, dir string) (socket string, stop func() error, err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, jobs.Invalid("redis.url",
			"is not set and there is no redis-server on the path: jobs must be kept, since what is forgotten would be paid for again; "+
				"give --redis-url, or install redis-server")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make %s: %w", dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return "", nil, err
	}
	socket, err = socketPath(dir)
	if err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	server := &ownRedis{
		rdb: redis.NewClient(&redis.Options{
			Network: "unix", Addr: socket, MaxRetries: -1, ReadTimeout: askPatience, ContextTimeoutEnabled: true,
		}),
		dir: dir, lock: lock,
	}
	stop = func() error { return server.stop(context.WithoutCancel(ctx)) }
	if err := server.start(ctx, path); err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return socket, stop, nil
}

// ownRedis is a redis-server on a folder that this process has locked: its own,
// or one that another process left there.
type ownRedis struct {
	rdb  *redis.Client
	dir  string
	lock *os.File
	// gone is closed when the server that was started here has ended; nil for one
	// that was there.
	gone chan struct{}
}

// Bounds of the life of a redis-server of one's own.
const (
	// loadPatience is how long it may take to read what it has kept.
	loadPatience = 5 * time.Minute
	// askPatience is how long one question may take before it is asked again.
	askPatience = 2 * time.Second
	// endPatience is how long it may take to write the last of its file.
	endPatience = 30 * time.Second
	// askPause is between two questions.
	askPause = 50 * time.Millisecond
)

// start runs a server unless there is one, and returns when it answers. Only a
// socket that nobody listens on says that there is none: two servers would spoil
// one another's append-only file.
func (r *ownRedis) start(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	for {
		err := r.ask(ctx)
		if err == nil {
			return nil
		}
		if r.gone == nil && nobodyListens(err) {
			if err := r.launch(path); err != nil {
				return err
			}
		}
		timer := time.NewTimer(askPause)
		select {
		case <-ctx.Done():
			return fmt.Errorf("start redis-server: %w; the last it said: %w; see %s", context.Cause(ctx), err, r.logFile())
		case <-r.gone:
			return fmt.Errorf("start redis-server: it ended; see %s", r.logFile())
		case <-timer.C:
		}
	}
}

func (r *ownRedis) logFile() string { return filepath.Join(r.dir, "redis.log") }

func (r *ownRedis) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	return r.rdb.Ping(ctx).Err()
}

// nobodyListens reports whether there is no server behind a socket. One that
// reads its data, is busy or does not answer in time is there.
func nobodyListens(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
}

// launch starts a server on the folder.
func (r *ownRedis) launch(path string) error {
	server := exec.Command(path, "--port", "0", "--unixsocket", socketName, "--unixsocketperm", "700", //nolint:noctx // the path is redis-server's; it outlives ctx
		"--dir", ".", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", "", "--logfile", "redis.log", "--daemonize", "no")
	server.Dir = r.dir
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours: it is stopped after the drain
	if err := server.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	gone := make(chan struct{})
	go func() { _ = server.Wait(); close(gone) }()
	r.gone = gone
	return nil
}

// stop ends the server, and gives the folder back when it has gone. What it keeps
// is in the append-only file, which it syncs; a snapshot would be read by nobody.
func (r *ownRedis) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	var err error
	for !r.ended(ctx) {
		_ = r.rdb.ShutdownNoSave(ctx).Err() // the answer is a closed connection
		timer := time.NewTimer(askPause)
		select {
		case <-ctx.Done():
			err = fmt.Errorf("stop redis-server: %w; see %s", context.Cause(ctx), r.logFile())
		case <-r.gone:
		case <-timer.C:
		}
		timer.Stop()
		if err != nil {
			break
		}
	}
	return errors.Join(err, r.rdb.Close(), r.lock.Close())
}

// ended reports whether the server has gone. One that was there already cannot be
// waited for; its socket goes after its file is synced.
func (r *ownRedis) ended(ctx context.Context) bool {
	if r.gone == nil {
		return nobodyListens(r.ask(ctx))
	}
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}

// socketName is the server's socket in its folder.
const socketName = "redis.sock"

// maxSocketPath is the longest path of a unix socket, less the byte at its end.
const maxSocketPath = 107

// socketPath is the absolute path of the server's socket, as a URL needs it.
func socketPath(dir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, socketName))
	if err != nil {
		return "", fmt.Errorf("find %s: %w", dir, err)
	}
	if len(path) > maxSocketPath {
		return "", jobs.Invalid("redis.url", "is not set, and the path of this folder is too long for a socket (%d bytes of %d); "+
			"run the command in another folder, or give --redis-url", len(path), maxSocketPath)
	}
	return path, nil
}

// lockDir takes the folder for this process, until the file is closed.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // G304: the path is ours
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: another --live command runs in this folder; wait for it, or run a worker and leave --live out", dir), file.Close())
	}
	return file, nil
}
