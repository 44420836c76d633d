//go:build chaos

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
)

// seed is where every random choice of this run comes from.
var seed = readSeed()

func readSeed() uint64 {
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			fmt.Fprintf(os.Stderr, "CHAOS_SEED: %v\n", err)
			os.Exit(2)
		}
		return n
	}
	return rand.Uint64N(1_000_000)
}

// random is a source for one test, which makes the same choices for the same
// seed whatever other tests run.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	var name uint64
	for _, c := range t.Name() {
		name = name*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, name))
}

func TestMain(m *testing.M) {
	started := time.Now()
	fmt.Printf("chaos: seed %d (CHAOS_SEED=%d make chaos repeats its choices)\n", seed, seed)
	code := installation.Main(m)
	table.print(os.Stdout, time.Since(started), code == 0)
	os.Exit(code)
}
