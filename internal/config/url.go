package config

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// parseRedisURL holds text to what the Redis client will accept. Its errors
// never quote the text, nor those of package url, which do.
func parseRedisURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("is empty; write redis://host:port/database")
	case err != nil, u.Scheme == "", u.Opaque != "":
		return errors.New("is not a URL; write redis://user:password@host:port/database, with %40 for @, %2F for / and %23 for # in a password")
	}
	switch u.Scheme {
	case "redis", "rediss":
		if database := strings.Trim(u.Path, "/"); database != "" {
			if n, err := strconv.Atoi(database); err != nil || n < 0 {
				return errors.New("has no number after the host; write the database there, as in redis://host:port/0")
			}
		}
	case "unix":
		if u.Path == "" || u.Path == "/" {
			return errors.New("names no socket; write unix:///path/of/redis.sock?db=0")
		}
	default:
		return errors.New("has another scheme than redis (plain), rediss (TLS) or unix (socket); write redis://host:port/database")
	}
	if u.Fragment != "" || strings.Contains(text, "#") {
		return errors.New("contains #, which ends a URL; write %23 if it is part of the password")
	}
	if strings.Contains(u.Path+u.RawQuery, "@") {
		return errors.New("contains @ after the host; in a password write %40 for @, %2F for / and %3F for ?")
	}
	return checkRedisHost(u)
}

// checkRedisHost checks the port, which package url takes for any number, and
// that nobody looks for the password among the parameters.
func checkRedisHost(u *url.URL) error {
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return errors.New("has a port that is none; give a number up to 65535")
		}
	}
	for name := range u.Query() {
		if name = strings.ToLower(name); strings.Contains(name, "pass") || strings.Contains(name, "auth") {
			return errors.New("has a password among its parameters; write it before the host, as in redis://:password@host:port/0")
		}
	}
	return nil
}

// parseBaseURL returns the URL that paths such as /responses are appended to.
func parseBaseURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("is not an http or https URL; write for example https://api.openai.com/v1")
	case u.User != nil:
		return "", errors.New("contains credentials; set openai.api_key instead")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return "", errors.New("has a query or a fragment; end it after the path, as in https://api.openai.com/v1")
	}
	return strings.TrimRight(text, "/"), nil
}

// parseAddress holds text to host:port, or to nothing.
func parseAddress(text string) error {
	if text == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New(`is not an address; write host:port such as 127.0.0.1:8080, or "" for none`)
	}
	return nil
}

// showURL returns a URL as anybody may see it: without the password, without a
// user name that stands alone (it may be a password with its colon forgotten),
// and without parameters other than db. What cannot be read as a URL, or has an
// @ where a badly escaped password would leave one, is not shown at all.
func showURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || strings.Contains(u.Opaque+u.Path+u.RawQuery+u.Fragment, "@") {
		return redacted
	}
	if u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		return text
	}
	user, query := u.User, u.Query()
	u.User, u.Fragment = nil, ""
	switch {
	case u.RawQuery == "":
	case len(query) == 1 && query.Has("db"):
		u.RawQuery = query.Encode()
	default:
		u.RawQuery = "..."
	}
	shown := u.String()
	if user == nil {
		return shown
	}
	who := redacted
	if password, _ := user.Password(); password != "" {
		who = url.User(user.Username()).String() + ":" + redacted
	}
	return strings.Replace(shown, "://", "://"+who+"@", 1)
}
