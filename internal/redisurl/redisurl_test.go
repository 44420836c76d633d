package redisurl_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/longhaul-jobs/longhaul/internal/redisurl"
)

func TestParse(t *testing.T) {
	t.Parallel()
	single, sentinel, cluster := redisurl.Single, redisurl.Sentinel, redisurl.Cluster
	tests := []struct {
		text string
		want redisurl.URL
	}{
		{"redis://127.0.0.1:6379/0", redisurl.URL{Topology: single, Hosts: []string{"127.0.0.1:6379"}}},
		{"rediss://h", redisurl.URL{Topology: single, TLS: true, Hosts: []string{"h:6379"}}},
		{"redis:///2", redisurl.URL{Topology: single, Hosts: []string{"localhost:6379"}, Database: 2}},
		{"REDIS://:pw@h:1/15", redisurl.URL{Topology: single, Hosts: []string{"h:1"}, Password: "pw", Database: 15}},
		{"redis://m%40e:p%40%2F%23%3F%2C@h:65535/0", redisurl.URL{Topology: single, Hosts: []string{"h:65535"}, User: "m@e", Password: "p@/#?,"}},
		{"redis://me:p@w,x@h", redisurl.URL{Topology: single, Hosts: []string{"h:6379"}, User: "me", Password: "p@w,x"}},
		{"redis://[::1]:6379/0", redisurl.URL{Topology: single, Hosts: []string{"[::1]:6379"}}},
		{"redis://h?db=3&pool_timeout=3s", redisurl.URL{Topology: single, Hosts: []string{"h:6379"}, Database: 3}},
		{"unix:///var/run/redis.sock", redisurl.URL{Topology: single, Socket: "/var/run/redis.sock"}},
		{"unix://me:pw@/a%20b.sock?db=2", redisurl.URL{Topology: single, Socket: "/a b.sock", User: "me", Password: "pw", Database: 2}},
		{
			"redis+sentinel://me:pw@s1,s2:1,[::1]:2/mymaster/3?sentinel_username=watch&sentinel_password=dog",
			redisurl.URL{Topology: sentinel, Hosts: []string{"s1:26379", "s2:1", "[::1]:2"}, User: "me", Password: "pw", Master: "mymaster", Database: 3},
		},
		{"rediss+sentinel://s/m", redisurl.URL{Topology: sentinel, TLS: true, Hosts: []string{"s:26379"}, Master: "m"}},
		{
			"redis+cluster://:pw@h1:7000,h2/?max_redirects=5",
			redisurl.URL{Topology: cluster, Hosts: []string{"h1:7000", "h2:6379"}, Password: "pw"},
		},
		{"rediss+cluster://h/0", redisurl.URL{Topology: cluster, TLS: true, Hosts: []string{"h:6379"}}},
	}
	for _, tt := range tests {
		got, err := redisurl.Parse(tt.text)
		if err != nil {
			t.Errorf("%q is refused: it %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(redisurl.URL{})); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}

// TestParseRefuses wants each mistake told with what to write instead, and
// nothing of what was written: it may be a password.
//
// Guarantee: G12.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                                       "redis://host:port/database",
		"h":                                      "redis://user:password@host:port/database",
		"h:6379":                                 "not a URL",
		"//h":                                    "not a URL",
		"http://h":                               "rediss (TLS)",
		"redis-sentinel://s/m":                   "redis+sentinel://",
		"sentinel://s/m":                         "redis+sentinel://",
		"redis-cluster://h":                      "redis+cluster://",
		"unix+cluster:///a":                      "redis+cluster://",
		"redis:h":                                "not a URL",
		"redis://h/sw0rdfish":                    "redis://host:port/0",
		"redis://h/-1":                           "redis://host:port/0",
		"redis://h/1/2":                          "redis://host:port/0",
		"redis://h:99999":                        "65535",
		"redis://h:0":                            "65535",
		"redis://h:sw0rdfish":                    "65535",
		"redis://::1":                            "brackets",
		"redis://h1,h2":                          "redis+cluster://",
		"redis://me:%zz@h":                       "%25",
		"unix://":                                "unix:///path",
		"unix:///":                               "unix:///path",
		"unix://var/run/redis.sock":              "three slashes",
		"redis://a/b@h":                          "%2F",
		"redis://a?b@h":                          "%3F",
		"redis://a#b@h":                          "%23",
		"redis://h/0#":                           "%23",
		"redis://h?password=sw0rdfish":           "before the host",
		"redis://h?AUTH=sw0rdfish":               "before the host",
		"redis://h?sentinel_password=sw0rdfish":  "before the host",
		"redis://h?sw0rdfish":                    "dial_timeout",
		"redis://h?db=x":                         "db",
		"redis://h?db=-1":                        "from 0",
		"redis://h?db=1&db=2":                    "twice",
		"redis://h?a=%zz":                        "name=value",
		"redis://h?a;b":                          "%3B",
		"redis://h?read_timeout=3":               "3s",
		"redis://h?ca_file=ca.pem":               "rediss://",
		"rediss://h?cert_file=c.pem":             "key_file",
		"rediss://h?skip_verify=maybe":           "true or false",
		"redis+sentinel://s":                     "mymaster",
		"redis+sentinel://s/":                    "mymaster",
		"redis+sentinel://s/m/sw0rdfish":         "mymaster/0",
		"redis+sentinel://s/m?db=1":              "after the master",
		"redis+sentinel://s1,,s2/m":              "empty place",
		"redis://h/0?bogus=1":                    "has a parameter bogus that is not known; there are ca_file, cert_file",
		"redis://h/0?sw0rdfish":                  "has a parameter that is not known",
		"redis+sentinel://s/m?replica_only=true": "not known",
		"redis+cluster://":                       "empty place",
		"redis+cluster://h1,h2/3":                "only the database 0",
		"redis+cluster://h?db=3":                 "only 0",
		"redis+cluster://h?read_only=true":       "not known",
		"redis+cluster://h1:1,me:sw0rdfish@h2:2,h3": "",
	} {
		_, err := redisurl.Parse(text)
		if says == "" {
			if err != nil {
				t.Errorf("%q is refused: it %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Parse(%q): %v; want an error that says %q", text, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "sw0rdfish") {
			t.Errorf("Parse(%q) repeats what may be a password: %v", text, err)
		}
	}
}

func TestTLSAndSentinelParameters(t *testing.T) {
	t.Parallel()
	u, err := redisurl.Parse("rediss+sentinel://s/m?ca_file=ca.pem&cert_file=c.pem&key_file=k.pem&server_name=redis&skip_verify=true" +
		"&sentinel_username=watch&sentinel_password=d%40g&read_timeout=3s&pool_size=7")
	if err != nil {
		t.Fatal(err)
	}
	want := redisurl.TLSFiles{CA: "ca.pem", Cert: "c.pem", Key: "k.pem", ServerName: "redis", SkipVerify: true}
	if diff := cmp.Diff(want, u.TLSFiles()); diff != "" {
		t.Errorf("TLS (-want +got):\n%s", diff)
	}
	if user, password := u.SentinelUser(); user != "watch" || password != "d@g" {
		t.Errorf("the sentinels' user is %q with %q", user, password)
	}
	if got, want := u.Options(), "pool_size=7&read_timeout=3s"; got != want {
		t.Errorf("the client library's part is %q, want %q", got, want)
	}
}

// TestPrintedShowsNoPassword prints an address in all the ways there are.
//
// Guarantee: G12.
func TestPrintedShowsNoPassword(t *testing.T) {
	t.Parallel()
	u, err := redisurl.Parse("redis+sentinel://me:sw0rdfish@s1,s2/m/1?sentinel_password=sw0rdfish")
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("connected", slog.Any("url", u))
	for _, said := range []string{
		u.String(), fmt.Sprintf("%v", u), fmt.Sprintf("%+v", u), fmt.Sprintf("%#v", u), fmt.Sprintf("%s", &u),
		fmt.Sprintf("%q", []redisurl.URL{u}), logged.String(),
	} {
		if strings.Contains(said, "sw0rdfish") || !strings.Contains(said, "s1,s2/m/1") {
			t.Errorf("printed as %s", said)
		}
	}
}
