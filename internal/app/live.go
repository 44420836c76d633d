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
	notice := "live mode: requests go to " + destinations(cfg) + " and are paid for; jobs are kept in the configured Redis"
	if !redisConfigured(cfg) {
		redis.SetLogger(redisLogger{log}) // before the first try, which finds no server
		socket, stop, err := startRedis(ctx, liveDir)
		if err != nil {
			return nil, err
		}
		undo.add(stop)
		// A provider's webhooks lead to the workers of another installation, and so
		// may the address, which is theirs to bind.
		cfg, cfg.Webhooks.Addr = withoutWebhooks(cfg), ""
		cfg.Redis.URL = config.NewSecret("unix://" + socket)
		notice = "live mode: requests go to " + destinations(cfg) + " and are paid for; jobs are kept in " + liveDir
	}
	l, err := startLocal(ctx, Options{Config: cfg, Log: log, Version: "live"}, &undo)
	if err != nil {
		return nil, err
	}
	l.notice = notice
	return l, nil
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
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1})
	stop = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = rdb.ShutdownSave(ctx).Err() // the answer to SHUTDOWN is a closed connection
		return errors.Join(rdb.Close(), lock.Close())
	}
	if rdb.Ping(ctx).Err() == nil {
		return socket, stop, nil
	}
	server := exec.Command(path, "--port", "0", "--unixsocket", "redis.sock", "--unixsocketperm", "700", //nolint:gosec,noctx // the path is redis-server's; it outlives ctx
		"--dir", ".", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", "", "--logfile", "redis.log", "--daemonize", "no")
	server.Dir = dir
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours: it is stopped after the drain
	if err := server.Start(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("start redis-server: %w", err), rdb.Close(), lock.Close())
	}
	go func() { _ = server.Wait() }()
	for range 100 {
		if rdb.Ping(ctx).Err() == nil {
			return socket, stop, nil
		}
		timer := time.NewTimer(50 * time.Millisecond)
		<-timer.C
	}
	return "", nil, errors.Join(fmt.Errorf("start redis-server: it does not answer; see %s", filepath.Join(dir, "redis.log")), stop())
}

// maxSocketPath is the longest path of a unix socket, less the byte at its end.
const maxSocketPath = 107

// socketPath is the absolute path of the server's socket, as a URL needs it.
func socketPath(dir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, "redis.sock"))
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
