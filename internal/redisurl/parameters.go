package redisurl

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parameters that are read here; all others are the client library's.
const (
	paramDatabase         = "db"
	paramSentinelUser     = "sentinel_username"
	paramSentinelPassword = "sentinel_password"
	paramCA               = "ca_file"
	paramCert             = "cert_file"
	paramKey              = "key_file"
	paramServerName       = "server_name"
	paramSkipVerify       = "skip_verify"
)

// check reports whether the value of a parameter can be read.
type check func(value string) bool

func anything(value string) bool { return value != "" }

func whole(value string) bool {
	_, err := strconv.Atoi(value)
	return err == nil
}

func truth(value string) bool { return value == "true" || value == "false" }

// span is a duration with its unit. The client library would take a bare number
// for seconds, which the rest of the configuration does not.
func span(value string) bool {
	_, err := time.ParseDuration(value)
	return err == nil
}

// Parameters returns the names of the parameters that an address of the topology
// can have, sorted.
func Parameters(t Topology) []string { return slices.Sorted(maps.Keys(known(t))) }

// known are the parameters of a topology. Those that would have replicas read
// from are left out: they may not have what was just written.
func known(t Topology) map[string]check {
	all := map[string]check{
		paramCA: anything, paramCert: anything, paramKey: anything, paramServerName: anything, paramSkipVerify: truth,

		"client_name": anything, "protocol": whole,
		"dial_timeout": span, "read_timeout": span, "write_timeout": span,
		"max_retries": whole, "min_retry_backoff": span, "max_retry_backoff": span,
		"pool_fifo": truth, "pool_size": whole, "pool_timeout": span, "pipeline_pool_size": whole,
		"min_idle_conns": whole, "max_idle_conns": whole, "max_active_conns": whole, "max_concurrent_dials": whole,
		"conn_max_idle_time": span, "conn_max_lifetime": span, "conn_max_lifetime_jitter": span,
	}
	switch t {
	case Single:
		all[paramDatabase] = whole
	case Sentinel:
		all[paramSentinelUser], all[paramSentinelPassword] = anything, anything
	case Cluster:
		all["max_redirects"] = whole
	}
	return all
}

func setParameters(u *URL, query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("has parameters that cannot be read; write them as ?name=value&name=value, with %25 for a % sign and %3B for ;")
	}
	table := known(u.Topology)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		valid, ok := table[name]
		switch {
		case !ok && u.Topology == Cluster && name == paramDatabase:
			return errors.New("chooses a database; a Cluster has only 0, so leave db out (redis.prefix keeps two installations apart)")
		case !ok && u.Topology == Sentinel && name == paramDatabase:
			return errors.New("chooses a database among its parameters; write it after the master, as in redis+sentinel://host:26379/mymaster/0")
		case !ok && looksSecret(name):
			return errors.New("has a password among its parameters; write it before the host, as in redis://:password@host:port/0" +
				" (only that of the sentinels is a parameter, " + paramSentinelPassword + ")")
		case !ok:
			return fmt.Errorf("has %s that is not known; there are %s", parameter(name, values.Get(name)), strings.Join(Parameters(u.Topology), ", "))
		case len(values[name]) > 1:
			return fmt.Errorf("has %s twice; give it once", name)
		case !valid(values.Get(name)):
			return fmt.Errorf("has a %s that cannot be read; write a duration with its unit (3s), a whole number, true or false", name)
		}
	}
	u.parameters = values
	return checkParameters(u)
}

// checkParameters holds the parameters to one another and to the rest.
func checkParameters(u *URL) error {
	if text := u.parameters.Get(paramDatabase); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return errors.New("has a db that is none; write a number from 0, as in unix:///path/of/redis.sock?db=0")
		}
		u.Database = n
	}
	for _, name := range []string{paramCA, paramCert, paramKey, paramServerName, paramSkipVerify} {
		if u.parameters.Has(name) && !u.TLS {
			return fmt.Errorf("has %s without TLS; write rediss:// in the place of redis://, or leave it out", name)
		}
	}
	if u.parameters.Has(paramCert) != u.parameters.Has(paramKey) {
		return errors.New("has only one of cert_file and key_file; a client certificate needs both")
	}
	return nil
}

// looksSecret reports whether a parameter is one that people put passwords into.
func looksSecret(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "pass") || strings.Contains(name, "auth") || strings.Contains(name, "pw")
}

// TLSFiles are what an address says about TLS.
type TLSFiles struct {
	// CA is a PEM file with the authorities that servers are held to, "" for the
	// system's.
	CA string
	// Cert and Key are PEM files of the client's own certificate, "" for none.
	Cert, Key string
	// ServerName is the name that certificates must have, "" for the host's.
	ServerName string
	// SkipVerify takes any certificate.
	SkipVerify bool
}

// TLSFiles returns what the address says about TLS.
func (u URL) TLSFiles() TLSFiles {
	return TLSFiles{
		CA: u.parameters.Get(paramCA), Cert: u.parameters.Get(paramCert), Key: u.parameters.Get(paramKey),
		ServerName: u.parameters.Get(paramServerName), SkipVerify: u.parameters.Get(paramSkipVerify) == "true",
	}
}

// SentinelUser returns the user and the password for the sentinels themselves.
func (u URL) SentinelUser() (user, password string) {
	return u.parameters.Get(paramSentinelUser), u.parameters.Get(paramSentinelPassword)
}

// Options returns the parameters that are the client library's, encoded as a
// query.
func (u URL) Options() string {
	options := maps.Clone(u.parameters)
	for _, ours := range []string{
		paramDatabase, paramSentinelUser, paramSentinelPassword, paramCA, paramCert, paramKey, paramServerName, paramSkipVerify,
	} {
		options.Del(ours)
	}
	return options.Encode()
}

// parameter names a parameter, unless it may be something else, such as a password
// behind a question mark.
func parameter(name, value string) string {
	word := !strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
	if !word || value == "" {
		return "a parameter"
	}
	return "a parameter " + name
}
