package fetch

import (
	"fmt"
	"net/netip"
)

// allowed refuses an address that is about to be dialled if it is none of the public
// internet, or with private none of a private network either.
func allowed(address string, private bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: it cannot be read", ErrPrivate)
	}
	ip := at.Addr().WithZone("").Unmap()
	if inner, ok := embedded(ip); ok {
		ip = inner
	}
	if isNoHost(ip) || !private && isPrivate(ip) {
		return ErrPrivate
	}
	return nil
}

// isNoHost reports addresses that no document comes from: metadata services and what
// else is link-local, many receivers at once, and none.
func isNoHost(ip netip.Addr) bool {
	return !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || within(ip, noHosts())
}

// isPrivate reports addresses of this machine and of networks that are not the public
// internet.
func isPrivate(ip netip.Addr) bool {
	return ip.IsLoopback() || ip.IsPrivate() || within(ip, privateNetworks())
}

func within(ip netip.Addr, networks []string) bool {
	for _, n := range networks {
		if netip.MustParsePrefix(n).Contains(ip) {
			return true
		}
	}
	return false
}

// noHosts are from IANA's registries of special-purpose addresses, with the metadata
// services of clouds that are not link-local.
func noHosts() []string {
	return []string{
		"0.0.0.0/8", "240.0.0.0/4", "192.0.0.0/24", "168.63.129.16/32", "100.100.100.200/32",
		"fd00:ec2::254/128", "fd20:ce::254/128", "100::/64",
	}
}

// privateNetworks are those that [netip.Addr.IsPrivate] does not know: shared and
// benchmarking addresses, those of documents, and site-local ones.
func privateNetworks() []string {
	return []string{
		"100.64.0.0/10", "198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "192.88.99.0/24",
		"fec0::/10", "2001:db8::/32", "3fff::/20", "2001::/23", "5f00::/16",
	}
}

// embedded returns the address of version 4 that one of version 6 stands for, by a
// translation or a tunnel.
func embedded(ip netip.Addr) (netip.Addr, bool) {
	if !ip.Is6() {
		return ip, false
	}
	b := ip.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(ip), netip.MustParsePrefix("64:ff9b:1::/48").Contains(ip),
		netip.MustParsePrefix("::/96").Contains(ip) && !ip.IsLoopback() && !ip.IsUnspecified():
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case netip.MustParsePrefix("2002::/16").Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return ip, false
}
