// Package redisurl reads the one form in which the address of a Redis is
// written: a single server, a Sentinel set or a Cluster, plain or over TLS.
//
//	redis://user:password@host:port/database
//	unix://user:password@/path/of/redis.sock?db=0
//	redis+sentinel://user:password@host:port,host:port/master/database
//	redis+cluster://user:password@host:port,host:port
//
// With rediss in the place of redis everything goes over TLS. What else can be
// said is among the parameters; [Parameters] lists them. The package dials
// nothing and knows no client library: package results connects to what is read
// here, and internal/config refuses what cannot be read before anybody does.
package redisurl

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Topology is how many servers there are behind an address, and who says where.
type Topology string

// The topologies.
const (
	// Single is one server.
	Single Topology = "single"
	// Sentinel is a master and its replicas, watched by sentinels that say which
	// one the master is.
	Sentinel Topology = "sentinel"
	// Cluster is several masters that share the keys among them.
	Cluster Topology = "cluster"
)

// The ports that are meant when none is given.
const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// URL is an address that was read. Printed, it shows neither passwords nor the
// parameters.
type URL struct {
	Topology Topology
	// TLS says that connections are encrypted, those to sentinels included.
	TLS bool
	// Socket is the path of a unix socket, "" for hosts.
	Socket string
	// Hosts are host:port of the server, of the sentinels, or of some nodes of
	// the Cluster, which tell the others.
	Hosts []string
	// User and Password are for the servers that keep the data.
	User, Password string
	// Master is the name under which the sentinels know the master.
	Master string
	// Database is the number of the database; a Cluster has only 0.
	Database int

	parameters url.Values
	shown      string
}

// String returns the address as anybody may see it; see [Show].
func (u URL) String() string { return u.shown }

// Format implements [fmt.Formatter], so that no verb reaches a password.
func (u URL) Format(f fmt.State, verb rune) {
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), u.shown) // fmt has no way to report it
}

// LogValue implements [slog.LogValuer].
func (u URL) LogValue() slog.Value { return slog.StringValue(u.shown) }

// Parse reads an address. Its errors follow the offending text as the rest of a
// sentence, say what to write instead, and repeat nothing of it.
func Parse(text string) (URL, error) {
	if text == "" {
		return URL{}, errors.New("is empty; write redis://host:port/database")
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme == "" {
		return URL{}, errors.New("is not a URL; write redis://user:password@host:port/database, with %40 for @, %2F for / and %23 for # in a password")
	}
	u := URL{shown: Show(text)}
	scheme = strings.ToLower(scheme)
	var err error
	if u.Topology, u.TLS, err = parseScheme(scheme); err != nil {
		return URL{}, err
	}
	if strings.Contains(rest, "#") {
		return URL{}, errors.New("contains #, which ends a URL; write %23 if it is part of the password")
	}
	authority, tail := split(rest)
	if strings.Contains(tail, "@") {
		return URL{}, errors.New("contains @ after the host; in a password write %40 for @, %2F for / and %3F for ?")
	}
	user, hosts := splitUser(authority)
	if err := setUser(&u, user); err != nil {
		return URL{}, err
	}
	path, query, _ := strings.Cut(tail, "?")
	if path, err = url.PathUnescape(path); err != nil {
		return URL{}, errors.New("has a path that is badly escaped; write %25 for a % sign")
	}
	if scheme == "unix" {
		err = setSocket(&u, hosts, path)
	} else if err = setHosts(&u, hosts); err == nil {
		err = setPath(&u, strings.Trim(path, "/"))
	}
	if err == nil {
		err = setParameters(&u, query)
	}
	if err != nil {
		return URL{}, err
	}
	return u, nil
}

// split divides what follows the scheme into hosts with their user, and the
// rest.
func split(rest string) (authority, tail string) {
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

// splitUser divides the authority. The user is "" when there is none, and ends
// with the @ otherwise.
func splitUser(authority string) (user, hosts string) {
	i := strings.LastIndexByte(authority, '@')
	return authority[:i+1], authority[i+1:]
}

func parseScheme(scheme string) (Topology, bool, error) {
	switch scheme {
	case "redis", "unix":
		return Single, false, nil
	case "rediss":
		return Single, true, nil
	case "redis+sentinel":
		return Sentinel, false, nil
	case "rediss+sentinel":
		return Sentinel, true, nil
	case "redis+cluster":
		return Cluster, false, nil
	case "rediss+cluster":
		return Cluster, true, nil
	}
	switch {
	case strings.Contains(scheme, "sentinel"):
		return "", false, errors.New("has another scheme; a Sentinel set is written redis+sentinel://host:26379,host:26379/master/database, with rediss for TLS")
	case strings.Contains(scheme, "cluster"):
		return "", false, errors.New("has another scheme; a Cluster is written redis+cluster://host:6379,host:6379, with rediss for TLS")
	}
	return "", false, errors.New("has another scheme than redis (plain), rediss (TLS) or unix (socket), " +
		"or one of the first two with +sentinel or +cluster; write redis://host:port/database")
}

func setUser(u *URL, user string) error {
	if user == "" {
		return nil
	}
	name, password, _ := strings.Cut(strings.TrimSuffix(user, "@"), ":")
	var err error
	if u.User, err = url.PathUnescape(name); err == nil {
		u.Password, err = url.PathUnescape(password)
	}
	if err != nil {
		return errors.New("has a user or a password that is badly escaped; " +
			"write %25 for a % sign, %40 for @, %2F for / and %23 for #")
	}
	return nil
}

func setSocket(u *URL, hosts, path string) error {
	switch {
	case hosts != "":
		return errors.New("has a host before the path of the socket; write unix:///path/of/redis.sock?db=0, with three slashes")
	case path == "" || path == "/":
		return errors.New("names no socket; write unix:///path/of/redis.sock?db=0")
	}
	u.Socket = path
	return nil
}

func setHosts(u *URL, list string) error {
	hosts := strings.Split(list, ",")
	if u.Topology == Single && len(hosts) > 1 {
		return errors.New("has several hosts, as a Sentinel set or a Cluster has; write redis+sentinel:// or redis+cluster:// before them")
	}
	for _, text := range hosts {
		host, port, err := splitHost(text)
		switch {
		case err != nil:
			return err
		case host == "" && u.Topology != Single:
			return errors.New("has an empty place among its hosts; write host:port,host:port")
		case host == "":
			host = "localhost"
		}
		if port == "" && u.Topology == Sentinel {
			port = sentinelPort
		} else if port == "" {
			port = redisPort
		}
		u.Hosts = append(u.Hosts, net.JoinHostPort(host, port))
	}
	return nil
}

// splitHost reads host or host:port.
func splitHost(text string) (host, port string, err error) {
	host, port, given := text, "", false
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		host, port, given = text[:i], text[i+1:], true
	}
	if n, err := strconv.ParseUint(port, 10, 16); given && (err != nil || n == 0) {
		return "", "", errors.New("has a port that is none; give a number up to 65535")
	}
	parsed, err := url.Parse("redis://" + host)
	if err != nil || parsed.Host != host || strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "", "", errors.New("has a host that is none; write host:port, with an IPv6 address in brackets")
	}
	return parsed.Hostname(), port, nil
}

func setPath(u *URL, path string) error {
	switch u.Topology {
	case Cluster:
		if path != "" && path != "0" {
			return errors.New("has a path after the hosts; a Cluster has only the database 0, so end it there " +
				"(redis.prefix keeps two installations apart)")
		}
		return nil
	case Sentinel:
		u.Master, path, _ = strings.Cut(path, "/")
		if u.Master == "" {
			return errors.New("names no master; write its name after the sentinels, as in redis+sentinel://host:26379/mymaster/0")
		}
	case Single:
	}
	if path == "" {
		return nil
	}
	n, err := strconv.Atoi(path)
	if err != nil || n < 0 {
		if u.Topology == Sentinel {
			return errors.New("has no number after the master; write the database there, as in redis+sentinel://host:26379/mymaster/0")
		}
		return errors.New("has no number after the host; write the database there, as in redis://host:port/0")
	}
	u.Database = n
	return nil
}
