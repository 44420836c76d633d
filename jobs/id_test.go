package jobs_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestNewID(t *testing.T) {
	now := testNow.Add(123 * time.Millisecond)
	for shard := range jobs.MaxShards {
		id := jobs.NewID(now, shard)
		if id.Shard() != shard {
			t.Errorf("%s.Shard() = %d, want %d", id, id.Shard(), shard)
		}
		if !id.Time().Equal(now) || id.Time().Location() != time.UTC {
			t.Errorf("%s.Time() = %s, want %s", id, id.Time(), now)
		}
		parsed, err := jobs.ParseID(string(id))
		if err != nil || parsed != id {
			t.Errorf("ParseID(%s) = %s, %v", id, parsed, err)
		}
		digits := strings.TrimPrefix(string(id), jobs.IDPrefix)
		if digits[12] != '7' || !strings.ContainsRune("89ab", rune(digits[16])) {
			t.Errorf("%s: version %q, variant %q; want a UUIDv7", id, digits[12], digits[16])
		}
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := make(map[jobs.ID]bool)
	for range 1000 {
		seen[jobs.NewID(testNow, 3)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 ids of one millisecond and shard, %d of them different", len(seen))
	}
}

// Ids sort as strings by the millisecond they were made in.
func TestIDsSortByTime(t *testing.T) {
	var ids []jobs.ID
	for i := range 500 {
		ids = append(ids, jobs.NewID(testNow.Add(time.Duration(i)*time.Millisecond), i%16))
	}
	ids = append(ids, jobs.NewID(testNow.Add(50*365*24*time.Hour), 0))
	shuffled := slices.Clone(ids)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	slices.Sort(shuffled)
	if !slices.Equal(shuffled, ids) {
		t.Error("ids sorted as strings are not in the order of their times")
	}
}

func TestNoID(t *testing.T) {
	digits := strings.TrimPrefix(string(testID), jobs.IDPrefix)
	for name, s := range map[string]string{
		"nothing":         "",
		"the prefix only": jobs.IDPrefix,
		"no prefix":       digits,
		"another prefix":  "xyz_" + digits,
		"a response":      "resp_" + digits,
		"upper case":      jobs.IDPrefix + strings.ToUpper(digits),
		"too short":       jobs.IDPrefix + digits[1:],
		"too long":        jobs.IDPrefix + digits + "0",
		"a sign":          jobs.IDPrefix + "-" + digits[1:],
		"not hexadecimal": jobs.IDPrefix + "g" + digits[1:],
		"a blank":         jobs.IDPrefix + digits[1:] + " ",
		"ends like one":   "zzff",
		"very long":       strings.Repeat("job", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			id, err := jobs.ParseID(s)
			if err == nil || id != "" {
				t.Fatalf("ParseID = %q, %v; want an error", id, err)
			}
			if !strings.Contains(err.Error(), jobs.IDPrefix) || len(err.Error()) > 200 {
				t.Errorf("error of %d bytes: %.200s", len(err.Error()), err)
			}
			if got := jobs.ID(s).Shard(); got != -1 {
				t.Errorf("Shard = %d, want -1", got)
			}
			if got := jobs.ID(s).Time(); !got.IsZero() {
				t.Errorf("Time = %s, want none", got)
			}
		})
	}
}
