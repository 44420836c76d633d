package config_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

func TestShowURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"},
		{"redis://h/0?db=3", "redis://h/0?db=3"},
		{"redis://:pw@h:1/2", "redis://:[redacted]@h:1/2"},
		{"redis://me:pw@h:1/2?db=4", "redis://me:[redacted]@h:1/2?db=4"},
		{"redis://pw@h", "redis://[redacted]@h"},
		{"redis://pw:@h", "redis://[redacted]@h"},
		{"redis://m%40e:p%2Fw@h", "redis://m%40e:[redacted]@h"},
		{"redis://me:p@w@h", "redis://me:[redacted]@h"},
		{"unix://me:pw@/a.sock?db=1", "unix://me:[redacted]@/a.sock?db=1"},
		{"redis://h?password=pw", "redis://h?..."},
		{"redis://h?db=1&password=pw", "redis://h?..."},
		{"redis://h?db=1&%zzpw", "redis://h?db=1"},
		{"redis://h#pw", "redis://h"},
		{"redis://me:p/w@h", "[redacted]"},
		{"redis://me/w@h", "[redacted]"},
		{"redis://me?w@h", "[redacted]"},
		{"redis://me#w@h", "[redacted]"},
		{"me:pw@h:6379", "[redacted]"},
		{"redis://:pw", "[redacted]"},
		{"redis://me:%zz@h", "[redacted]"},
	}
	for _, tt := range tests {
		if got := config.ShowURL(tt.text); got != tt.want {
			t.Errorf("ShowURL(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestRedisURLsThatTheClientTakes holds our own check to the client library's:
// what we accept it accepts.
func TestRedisURLsThatTheClientTakes(t *testing.T) {
	t.Parallel()
	accepted := []string{
		"redis://127.0.0.1:6379/0", "rediss://h", "redis://h/", "redis://:pw@h:1/15", "redis://me:p%40%2F%23%3Fw@h:65535/0",
		"redis://[::1]:6379/0", "unix:///var/run/redis.sock", "unix://me:pw@/var/run/redis.sock?db=2", "redis://h?db=3&pool_timeout=3s",
	}
	for _, text := range accepted {
		if err := config.ParseRedisURL(text); err != nil {
			t.Errorf("%q is refused: it %v", text, err)
		}
		if _, err := redis.ParseURL(text); err != nil {
			t.Errorf("%q is refused by the client: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "h", "h:6379", "127.0.0.1:6379", "//h", "http://h", "redis:h", "redis://h/a", "redis://h/-1", "redis://h/1/2", "redis://h:99999",
		"redis://h:pw", "unix://", "unix:///", "redis://a/b@h", "redis://a?b@h", "redis://a#b@h", "redis://a:b#@h", "redis://h/0#",
		"redis://h?password=x", "redis://h?AUTH=x", "redis://me:%zz@h",
	} {
		if err := config.ParseRedisURL(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// FuzzShowURL hides a password in any surroundings.
func FuzzShowURL(f *testing.F) {
	for _, s := range [][3]string{
		{"redis://", "", "@h:6379/0"},
		{"redis://me", "", "@h?db=1"},
		{"rediss://", "x@", "@h#f"},
		{"unix://", "%40", "@/a/b.sock?db=1"},
		{"", "/", "@h"},
		{"redis://a@", "?", "@[::1]:1/2"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	const canary = "sw0rdfish"
	f.Fuzz(func(t *testing.T, before, junk, after string) {
		if strings.Contains(before+junk+after, canary) || !strings.HasPrefix(after, "@") {
			return
		}
		shown := config.ShowURL(before + ":" + junk + canary + junk + after)
		if strings.Contains(shown, canary) {
			t.Errorf("ShowURL shows the password: %q", shown)
		}
	})
}
