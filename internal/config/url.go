package config

import (
	"errors"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
)

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
	case path.Base(u.Path) == "responses":
		return "", errors.New("ends in /responses, which is appended to it; end it before that, as in https://api.openai.com/v1")
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
