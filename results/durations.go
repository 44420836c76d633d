package results

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Sort is what responses have in common that take about as long.
type Sort struct {
	Kind   jobs.Kind
	Model  string
	Effort string
}

const (
	// maxSorts bounds the sorts whose durations are kept: callers may name any model.
	maxSorts = 256
	// maxSortBytes bounds the name of a sort.
	maxSortBytes = 256
	// endWeight is what an end counts when it comes, so that halves of it are whole.
	endWeight = 64
)

// durations is where the keys of durations begin: ends, a hash with a field for each
// sort, its names in the form of URLs with a space between two, that holds the time of
// the last end and then BUCKET:ENDS for each bucket, an end counting 64; and nonces,
// the marks of the last batches.
func (s *Store) durations() base { return base(s.config.Prefix + ":{durations}:") }

// AddEnds adds ends of responses, how many of each sort fell into which bucket. A sort
// that holds as many as are remembered counts each half from then on, which is how old
// ones are forgotten. What the buckets stand for is the caller's to know.
func (s *Store) AddEnds(ctx context.Context, remembered int, sorts map[Sort]map[int]int) error {
	args := []any{nonce(), ms(s.Now()), endWeight, remembered, maxSorts}
	known := len(args)
	for sort, buckets := range sorts {
		name := sort.encode()
		if len(name) > maxSortBytes {
			continue
		}
		args = append(args, name, len(buckets))
		for bucket, ends := range buckets {
			args = append(args, bucket, ends)
		}
	}
	if len(args) == known {
		return nil
	}
	if err := s.run(ctx, s.scripts.addEnds, s.durations(), args...).Err(); err != nil {
		return fmt.Errorf("add ends of responses: %w", err)
	}
	return nil
}

// Ends reads how many ends of each sort are remembered in which bucket.
func (s *Store) Ends(ctx context.Context) (map[Sort]map[int]float64, error) {
	fields, err := s.rdb.HGetAll(ctx, string(s.durations())+"ends").Result()
	if err != nil {
		return nil, fmt.Errorf("read ends of responses: %w", err)
	}
	sorts := make(map[Sort]map[int]float64, len(fields))
	for name, value := range fields {
		sort, ok := decodeSort(name)
		if !ok {
			continue // of a newer build
		}
		buckets := make(map[int]float64)
		for _, pair := range strings.Fields(value)[1:] {
			bucket, ends, _ := strings.Cut(pair, ":")
			if b, err := strconv.Atoi(bucket); err == nil {
				buckets[b] = float64(parseInt(ends)) / endWeight
			}
		}
		sorts[sort] = buckets
	}
	return sorts, nil
}

func (s Sort) encode() string {
	return url.QueryEscape(string(s.Kind)) + " " + url.QueryEscape(s.Model) + " " + url.QueryEscape(s.Effort)
}

func decodeSort(name string) (Sort, bool) {
	parts := strings.Split(name, " ")
	if len(parts) != 3 {
		return Sort{}, false
	}
	for i, part := range parts {
		text, err := url.QueryUnescape(part)
		if err != nil {
			return Sort{}, false
		}
		parts[i] = text
	}
	return Sort{Kind: jobs.Kind(parts[0]), Model: parts[1], Effort: parts[2]}, true
}
