package redisurl

import (
	"net/url"
	"strings"
)

// Redacted stands for what is not shown.
const Redacted = "[redacted]"

// Show returns a URL as anybody may see it: without the password, without a
// user name that stands alone (it may be a password with its colon forgotten),
// and without parameters other than db. What cannot be read as a URL, or has an
// @ where a badly escaped password would leave one, is not shown at all. It
// takes any URL, that of a Redis or another, valid or not.
func Show(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	authority, _ := split(rest)
	user, hosts := splitUser(authority)
	if !ok || !strings.Contains(hosts, ",") {
		return show(text)
	}
	// Package url knows no lists of hosts. A fragment would end the hosts.
	if strings.Contains(rest, "#") {
		return Redacted
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if _, _, err := splitHost(host); err != nil {
			return Redacted
		}
	}
	const standIn = "hosts.invalid"
	before := "://"
	if user != "" {
		before = "@"
	}
	shown := show(scheme + "://" + user + standIn + rest[len(authority):])
	return strings.Replace(shown, before+standIn, before+hosts, 1)
}

func show(text string) string {
	u, err := url.Parse(text)
	if err != nil || strings.Contains(u.Opaque+u.Path+u.RawQuery+u.Fragment, "@") {
		return Redacted
	}
	if u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		return text
	}
	user, query := u.User, u.Query()
	u.User, u.Fragment = nil, ""
	switch {
	case u.RawQuery == "":
	case len(query) == 1 && whole(query.Get(paramDatabase)):
		u.RawQuery = query.Encode()
	default:
		u.RawQuery = "..."
	}
	shown := u.String()
	if user == nil {
		return shown
	}
	who := Redacted
	if password, _ := user.Password(); password != "" {
		who = url.User(user.Username()).String() + ":" + Redacted
	}
	return strings.Replace(shown, "://", "://"+who+"@", 1)
}
