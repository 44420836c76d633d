package e2e_test

import (
	"os"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/installation"
)

func TestMain(m *testing.M) { os.Exit(installation.Main(m)) }
