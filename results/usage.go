package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Period is some whole days in UTC and what of them is meant; "" is all, and a * in the
// model stands for any part of its name.
type Period struct {
	Since, Until               time.Time // the first and the last day; both are required
	Lane, Tenant, Group, Model string
}

// maxPeriod is the longest that can be asked for: no ledger goes back further.
const maxPeriod = 10 * 366

// days are the days of the period.
func (p Period) days() ([]string, error) {
	for _, day := range []struct {
		param, which string
		is           time.Time
	}{{"since", "first", p.Since}, {"until", "last", p.Until}} {
		if day.is.IsZero() {
			return nil, jobs.Invalid(day.param, "is missing; give the %s day of the period", day.which)
		}
	}
	first, last := p.Since.UTC().Truncate(24*time.Hour), p.Until.UTC().Truncate(24*time.Hour)
	if last.Before(first) {
		return nil, jobs.Invalid("until", "is before since; give a later day")
	}
	if last.Sub(first) > maxPeriod*24*time.Hour {
		return nil, jobs.Invalid("since", "is more than ten years before until; give a later day")
	}
	var days []string
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		days = append(days, dayOf(day))
	}
	return days, nil
}

// Has reports whether the period means what an account is about.
func (p Period) Has(a Account) bool {
	match := func(want, is string) bool { return want == "" || want == is }
	return match(p.Lane, a.Lane) && match(p.Tenant, a.Tenant) && match(p.Group, a.Group) && (p.Model == "" || matches(p.Model, a.Model))
}

// Summed is what responses of one account have cost.
type Summed struct {
	Account
	Sums
}

// usageBatch is how many hashes one round trip reads.
const usageBatch = 512

// Usage returns what responses have cost that ended in a period: the sums of each
// account and shard, in the order of days. They are read from sums that are kept, and
// not added up from lines.
func (s *Store) Usage(ctx context.Context, p Period) ([]Summed, error) {
	days, err := p.days()
	if err != nil {
		return nil, err
	}
	var found []Summed
	type read struct {
		day    string
		answer *redis.MapStringStringCmd
	}
	step := max(1, usageBatch/s.shards)
	for len(days) > 0 {
		n := min(step, len(days))
		var reads []read
		_, err := s.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, day := range days[:n] {
				for shard := range s.shards {
					reads = append(reads, read{day, pipe.HGetAll(ctx, s.base(shard).sums(day))})
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read the sums of the ledger: %w", err)
		}
		for _, r := range reads {
			for account, sums := range r.answer.Val() {
				one := Summed{Account: decodeAccount(r.day, account), Sums: decodeSums(sums)}
				if p.Has(one.Account) {
					found = append(found, one)
				}
			}
		}
		days = days[n:]
	}
	return found, nil
}

// Lines calls visit for each line of the ledger whose attempt ended in a period, a day
// after the other and in no order within one. A line that is there all the time is
// visited once; the error of visit ends it.
func (s *Store) Lines(ctx context.Context, p Period, visit func(Line) error) error {
	days, err := p.days()
	if err != nil {
		return err
	}
	var unreadable error
	for _, day := range days {
		for shard := range s.shards {
			seen := make(map[string]bool) // a scan may return a field twice
			cursor := uint64(0)
			for {
				fields, next, err := s.rdb.HScan(ctx, s.base(shard).ledger(day), cursor, "*", 1000).Result()
				if err != nil {
					return fmt.Errorf("read the ledger: %w", err)
				}
				for i := 0; i+1 < len(fields); i += 2 {
					if seen[fields[i]] {
						continue
					}
					seen[fields[i]] = true
					line, err := decodeLine(day, fields[i], fields[i+1])
					if err != nil {
						unreadable = errors.Join(unreadable, err)
						continue
					}
					if !p.Has(line.Account) {
						continue
					}
					if err := visit(line); err != nil {
						return err
					}
				}
				if cursor = next; cursor == 0 {
					break
				}
			}
		}
	}
	if unreadable != nil {
		return fmt.Errorf("read the ledger: %w", unreadable)
	}
	return nil
}

func (b base) sums(day string) string { return string(b) + "sums:" + day }

func (b base) ledger(day string) string { return string(b) + "ledger:" + day }
