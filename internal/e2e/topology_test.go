package e2e_test

import (
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
)

// ground is a Redis that a test runs on.
type ground struct {
	// open starts an installation on it.
	open func(t *testing.T, simulatorArgs ...string) *installation.Installation
	// stop takes Redis, or a part of it, away; restart brings it back.
	stop, restart func()
}

// onEach runs a test on each kind of Redis whose guarantees are the same.
func onEach(t *testing.T, test func(t *testing.T, g *ground)) {
	t.Helper()
	t.Run("single", func(t *testing.T) {
		t.Parallel()
		g := &ground{}
		g.open = func(t *testing.T, simulatorArgs ...string) *installation.Installation {
			t.Helper()
			in := installation.New(t, simulatorArgs...)
			g.stop, g.restart = in.Redis.Stop, in.Redis.Restart
			return in
		}
		test(t, g)
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		g := &ground{}
		g.open = func(t *testing.T, simulatorArgs ...string) *installation.Installation {
			t.Helper()
			cluster := redistest.StartClusterWith(t, redistest.ClusterConfig{
				AppendDirs: []string{t.TempDir(), t.TempDir(), t.TempDir()},
			})
			g.stop = cluster.Nodes()[1].Stop
			g.restart = func() { cluster.Nodes()[1].Restart(); cluster.Wait() }
			return installation.NewOn(t, cluster.URL(), simulatorArgs...)
		}
		test(t, g)
	})
}
