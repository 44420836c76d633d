package config_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

func TestCacheDir(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Setenv("HOME", "/home/me")
		if dir := config.CacheDir(); filepath.Base(dir) != "longhaul" {
			t.Errorf("folder = %q", dir)
		}
		return
	}
	t.Setenv("XDG_CACHE_HOME", "/home/me/cache")
	if dir := config.CacheDir(); dir != "/home/me/cache/longhaul" {
		t.Errorf("folder = %q", dir)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if dir := config.CacheDir(); dir != "" {
		t.Errorf("without a home the folder is %q", dir)
	}
}
