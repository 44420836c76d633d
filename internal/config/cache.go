package config

import (
	"os"
	"path/filepath"
)

// CacheDir returns the folder of the user's for what can be made anew, such as
// compiled code; "" if the machine has none for this user. It need not exist.
func CacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(base, "longhaul")
}
