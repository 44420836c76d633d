package results

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redisurl"
)

// Connect returns a client of the Redis at an address: a single server, the
// master of a Sentinel set, or a Cluster, as docs/configuration.md describes.
// PoolSize is the most connections, to each node of a Cluster; 0 leaves it to
// the address, or to the client library. Nothing is dialled; certificates are
// read. The error follows the address as the rest of a sentence, and repeats
// nothing of it.
//
// A deadline of a context counts for every command: the library's own default
// heeds only its read timeout, so a server that hangs would keep its callers
// longer than they asked for.
func Connect(address string, poolSize int) (redis.UniversalClient, error) {
	u, err := redisurl.Parse(address)
	if err != nil {
		return nil, err
	}
	secured, err := tlsConfig(u)
	if err != nil {
		return nil, err
	}
	switch u.Topology {
	case redisurl.Cluster:
		return connectCluster(u, secured, poolSize)
	case redisurl.Sentinel:
		return connectSentinel(u, secured, poolSize)
	case redisurl.Single:
	}
	return connectSingle(u, secured, poolSize)
}

// errParameter is told of a parameter that the client library refuses although
// its form is right. The library's own error may repeat a part of the address.
var errParameter = errors.New("has a parameter that the Redis client does not take; leave out those that are not needed")

// plain is an address with the client library's parameters and nothing else.
func plain(u redisurl.URL) string { return "redis://localhost/?" + u.Options() }

func connectSingle(u redisurl.URL, secured *tls.Config, poolSize int) (redis.UniversalClient, error) {
	options, err := redis.ParseURL(plain(u))
	if err != nil {
		return nil, errParameter
	}
	if u.Socket != "" {
		options.Network, options.Addr = "unix", u.Socket
	} else {
		options.Addr = u.Hosts[0]
	}
	options.Username, options.Password, options.DB = u.User, u.Password, u.Database
	options.TLSConfig, options.ContextTimeoutEnabled = secured, true
	if poolSize > 0 {
		options.PoolSize = poolSize
	}
	return redis.NewClient(options), nil
}

func connectCluster(u redisurl.URL, secured *tls.Config, poolSize int) (redis.UniversalClient, error) {
	options, err := redis.ParseClusterURL(plain(u))
	if err != nil {
		return nil, errParameter
	}
	options.Addrs, options.Username, options.Password = u.Hosts, u.User, u.Password
	options.TLSConfig, options.ContextTimeoutEnabled = secured, true
	if poolSize > 0 {
		options.PoolSize = poolSize
	}
	return redis.NewClusterClient(options), nil
}

func connectSentinel(u redisurl.URL, secured *tls.Config, poolSize int) (redis.UniversalClient, error) {
	options, err := redis.ParseFailoverURL(plain(u))
	if err != nil {
		return nil, errParameter
	}
	options.SentinelAddrs, options.MasterName = u.Hosts, u.Master
	options.SentinelUsername, options.SentinelPassword = u.SentinelUser()
	options.Username, options.Password, options.DB = u.User, u.Password, u.Database
	options.TLSConfig, options.ContextTimeoutEnabled = secured, true
	if poolSize > 0 {
		options.PoolSize = poolSize
	}
	return redis.NewFailoverClient(options), nil
}

// ConnectSentinels returns a client of each sentinel that an address names, none
// for an address of another kind. Nothing is dialled.
func ConnectSentinels(address string) ([]*redis.SentinelClient, error) {
	u, err := redisurl.Parse(address)
	if err != nil || u.Topology != redisurl.Sentinel {
		return nil, err
	}
	secured, err := tlsConfig(u)
	if err != nil {
		return nil, err
	}
	sentinels := make([]*redis.SentinelClient, 0, len(u.Hosts))
	for _, host := range u.Hosts {
		options := &redis.Options{Addr: host, TLSConfig: secured, ContextTimeoutEnabled: true}
		options.Username, options.Password = u.SentinelUser()
		sentinels = append(sentinels, redis.NewSentinelClient(options))
	}
	return sentinels, nil
}

// tlsConfig returns how connections are encrypted, nil if they are not. Without
// a server name, each host is held to its own.
func tlsConfig(u redisurl.URL) (*tls.Config, error) {
	if !u.TLS {
		return nil, nil
	}
	files := u.TLSFiles()
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: files.ServerName, InsecureSkipVerify: files.SkipVerify} //nolint:gosec // G402: only if the address says so
	if files.CA != "" {
		pem, err := os.ReadFile(files.CA)
		if err != nil {
			return nil, fmt.Errorf("has a ca_file that cannot be read: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("has a ca_file without a certificate: %s; give a PEM file", files.CA)
		}
	}
	if files.Cert != "" {
		own, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return nil, fmt.Errorf("has a cert_file and key_file that cannot be used: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}
