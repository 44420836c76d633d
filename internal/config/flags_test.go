package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

// registered returns the names of all flags of a set.
func registered(fs *pflag.FlagSet) []string {
	var list []string
	fs.VisitAll(func(f *pflag.Flag) { list = append(list, f.Name) })
	return list
}

func TestAddFlagsRegistersTheGroupsThatAreNamed(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("enqueue", pflag.ContinueOnError)
	config.AddFlags(fs, "redis", "log")
	config.AddFlags(fs, "lanes")
	want := []string{"config", "lanes", "log-format", "log-level", "redis-pool-size", "redis-prefix", "redis-url", "redis-wait-disk", "redis-wait-replicas", "redis-wait-timeout"}
	if diff := cmp.Diff(want, registered(fs)); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	if err := fs.Parse([]string{"--redis-prefix", "a"}); err != nil {
		t.Fatal(err)
	}
	c := load(t, config.Sources{Flags: fs, Environ: []string{"LONGHAUL_POLL_FLOOR=3s"}})
	if c.Redis.Prefix != "a" || setting(t, c, "poll.floor").Value != "3s" {
		t.Error("flags of some groups hinder other sources")
	}
}

func TestAddFlagsRegistersAllGroups(t *testing.T) {
	t.Parallel()
	fs := parse(t)
	want := []string{"config"}
	for _, k := range config.Keys() {
		if k.Flag != "" && k.Group == "lanes" == (k.Name == "lanes") {
			want = append(want, k.Flag)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, registered(fs)); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	if fs.Lookup("openai-api-key") != nil {
		t.Error("the key has a flag, where every user of the machine could read it")
	}
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Usage == "" || strings.Contains(f.Usage, "`") {
			t.Errorf("--%s has the help text %q", f.Name, f.Usage)
		}
	})
}

func TestFlagHelpHasKindAndDefault(t *testing.T) {
	t.Parallel()
	usage := parse(t).FlagUsages()
	for _, line := range []string{
		"--config file", "(default longhaul.yaml if there is one)",
		"--poll-floor duration", "Shortest wait between two looks at a response (default 2s)",
		"--jobs-max-request-bytes size", "Largest request that is accepted (default 32MiB)",
		"--http-addr host:port", "--redis-pool-size int", "--redis-url url", "--redis-wait-disk ",
	} {
		if !strings.Contains(usage, line) {
			t.Errorf("help lacks %q:\n%s", line, usage)
		}
	}
}

func TestAddFlagsPanicsForAnUnknownGroup(t *testing.T) {
	t.Parallel()
	defer func() {
		if got, want := recover(), `config: AddFlags: there is no group "reddis"`; got != want {
			t.Errorf("recovered %v, want %s", got, want)
		}
	}()
	config.AddFlags(pflag.NewFlagSet("test", pflag.ContinueOnError), "redis", "reddis")
}

// TestForeignFlagsAreNotRead has a command with flags of its own that happen to
// be called like ours.
func TestForeignFlagsAreNotRead(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	fs.String("config", "", "")
	fs.String("poll-floor", "", "")
	config.AddFlags(fs, "redis")
	if err := fs.Parse([]string{"--config", "/nowhere.yaml", "--poll-floor", "x"}); err != nil {
		t.Fatal(err)
	}
	if got := setting(t, load(t, config.Sources{Flags: fs}), "poll.floor"); got.Source != "default" {
		t.Errorf("poll.floor comes from %s", got.Source)
	}
}

func TestFlagOfASwitchNeedsNoValue(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{"--redis-wait-disk": true, "--redis-wait-disk=true": true, "--redis-wait-disk=false": false} {
		if c := load(t, config.Sources{Flags: parse(t, args)}); c.Redis.WaitDisk != want {
			t.Errorf("%s: %t", args, c.Redis.WaitDisk)
		}
	}
}
