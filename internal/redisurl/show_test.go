package redisurl_test

import (
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/redisurl"
)

func TestShow(t *testing.T) {
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
		{"redis+cluster://h1:1,h2:2", "redis+cluster://h1:1,h2:2"},
		{"redis+cluster://me:pw@h1:1,h2:2/", "redis+cluster://me:[redacted]@h1:1,h2:2/"},
		{"redis+cluster://me:p,w@h1:1,[::1]:2/", "redis+cluster://me:[redacted]@h1:1,[::1]:2/"},
		{"redis+cluster://hosts.invalid:pw@h1,h2", "redis+cluster://hosts.invalid:[redacted]@h1,h2"},
		{"redis+cluster://:p,w@h1", "redis+cluster://:[redacted]@h1"},
		{"redis+cluster://me:pw,h", "[redacted]"},
		{"redis+cluster://h1,h2#pw", "[redacted]"},
		{"redis+cluster://me:p/w@h1,h2", "[redacted]"},
		{
			"rediss+sentinel://me:pw@s1:1,s2/mymaster/3?sentinel_username=u&sentinel_password=pw",
			"rediss+sentinel://me:[redacted]@s1:1,s2/mymaster/3?...",
		},
	}
	for _, tt := range tests {
		if got := redisurl.Show(tt.text); got != tt.want {
			t.Errorf("Show(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

const canary = "sw0rdfish"

// FuzzShow hides a password in any surroundings.
func FuzzShow(f *testing.F) {
	for _, s := range [][3]string{
		{"redis://", "", "@h:6379/0"},
		{"redis://me", "", "@h?db=1"},
		{"rediss://", "x@", "@h#f"},
		{"unix://", "%40", "@/a/b.sock?db=1"},
		{"", "/", "@h"},
		{"redis://a@", "?", "@[::1]:1/2"},
		{"redis+cluster://me", ",", "@h1:1,h2:2/"},
		{"redis+sentinel://h1,me", "@h:1,", "@h1,h2/m/0"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, before, junk, after string) {
		if strings.Contains(before+junk+after, canary) || !strings.HasPrefix(after, "@") {
			return
		}
		text := before + ":" + junk + canary + junk + after
		if shown := redisurl.Show(text); strings.Contains(shown, canary) {
			t.Errorf("Show shows the password: %q", shown)
		}
		if _, err := redisurl.Parse(text); err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("Parse repeats the password: %v", err)
		}
	})
}

// FuzzShowParameter hides the password of the sentinels.
func FuzzShowParameter(f *testing.F) {
	f.Add("redis+sentinel://s1,s2/m/0?sentinel_password=", "&db=1")
	f.Add("redis+sentinel://s1/m/0?db=1&sentinel_password=", "")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, canary) || !strings.Contains(before, "://") || !strings.Contains(before, "?") {
			return
		}
		if shown := redisurl.Show(before + canary + after); strings.Contains(shown, canary) {
			t.Errorf("Show shows the password: %q", shown)
		}
	})
}
