package fetch

// Allowed is the check of an address.
func Allowed(address string, private bool) error { return allowed(address, private) }

// CheckRedirect is the check of a redirect.
var CheckRedirect = checkRedirect
