package results

import (
	"fmt"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// base begins the keys of one shard, as in "longhaul:{s07}:", and carries its
// hash tag. The scripts know the same layout; keys.go and lua/common.lua are
// the two places that spell it. After the base:
//
//	key                    type    holds
//	job:ID                 hash    the job, see below
//	streams                set     KIND:LANE of each stream that has jobs
//	list:STATE:KIND:LANE   zset    the ids of a stream's jobs in a state
//	groupstate:STATE:GROUP zset    the ids of a group's jobs in a state; with a slash and a kind behind it, of its parents alone
//	dedupe:HASH            string  the id that has the dedupe key, and its request's digest
//	later:LANE             zset    waiting jobs by the time before which they may not start
//	ready:LANE/TENANT      zset    waiting jobs whose time has come, by rank; without the slash those of no tenant
//	turns:LANE             zset    the tenants that have ready jobs, by turn: the lowest goes next, and then one later
//	bands:LANE             hash    of a tenant with ready jobs of several priorities, how far each is from its turn
//	admitted:LANE          zset    waiting jobs in their lane's queue, by the time of admission
//	looks:ENDPOINT         zset    running jobs of an endpoint by their next look; a claim moves them behind its lease
//	plans:KIND             zset    parents whose planner is to be asked, by when; likewise
//	due                    zset    all other jobs that want attention, by when; likewise
//	dependents:ID          zset    the jobs, of any shard, that wait for the end of a job
//	parts:ID               zset    the parts of a parent, of any shard, by phase and place in it; see parts.go
//	open:ID                zset    those of them that it waits for
//	deltas:ID              stream  the latest events of a job's streamed responses, by attempt and number; see progress.go
//	thread:HASH            string  the id of the last job of a thread
//	parked:BUDGET          zset    waiting jobs that stand outside their lanes until the budget has room, by rank
//	expire                 zset    ended jobs by the end of their retention
//	owing                  zset    jobs with effects to carry out, or a removal; past its retention, by when that is given up
//	gone                   zset    jobs that are gone while their blobs may be there, by when to delete them
//	ledger:DAY             hash    what each attempt cost that ended on the day, by JOB/ATTEMPT; see ledger.go
//	sums:DAY               hash    the sums of that, by what is summed up; likewise
//	fence                  string  the last write before replicas were waited for; for a minute, see replicas.go
//
// The members of the lists, and of owing before that, have the score 0, so that Redis keeps them in the
// order of their ids, which is the order of time: a listing is exact to the job,
// and not to the millisecond. A job is in one list, or two if it has a group, and
// what selects more of them merges several: an entry costs more than a hundred
// bytes. HASH is half of a SHA-256, in hexadecimal digits. Times are milliseconds
// since 1970. The fields of a job:
//
//	head       what the scripts read and change, see below
//	record     the record, as jobs.Job encodes it
//	request    the body of its request, compressed if it is large, or a reference to a blob
//	body       the response that is its result, likewise; absent before
//
// A field of a hash costs some seventy bytes beside what it holds, so all that
// is small is together in the head, these values in this order, with a space
// between two and nothing for what is not there:
//
//	schema     the schema of the record
//	version    how many steps made it
//	state, kind, lane, group, dedupe    what names its keys
//	rank       its place among the ready ones: ten bands of priority, then its age
//	deadline   when it ends at the latest, "" for never; of a stopped one that runs, when it was stopped
//	next       the number of its next attempt
//	admitted   when it went to its lane's queue; only while it is there
//	nudge      how often the watchdog has enqueued it anew in this state
//	nonces     the marks of its last eight steps, the newest first, a comma between two
//	looks      the counters of the looks at its response, likewise
//	endpoint   the one that its response belongs to; only while it is running
//	blobs      1 if it may have blobs
//	lapsed     how many claims for a look, in a row, were neither settled nor given back
//	alone      the worker that looks at it and at nothing else; only while it does
//	tenant     on whose behalf it runs, which names its set of ready jobs
//	aside      1 for a waiting job that stands outside its lane, because something has to happen before its turn;
//	           with a slash and its name behind it, a budget must have room for it; plan for a parent
//	           that waits for nothing but its parts
//	links      the marks of what other jobs have to do with it: d while some wait for its end, f if another follows it in its thread
//	thread     the hash of its thread and, after a comma, the job that it followed when it was accepted
//
// Beside the shards there are PREFIX:{meta}:installation, a hash with the number
// of shards and, if there are blobs, the name of their folder, PREFIX:{meta}:round,
// a hash that says how far the search for stray blobs has come,
// PREFIX:{workers}:alive, a zset of worker ids by the end of their last word,
// PREFIX:{workers}:worker:ID, a string with what a worker says of itself, and
// PREFIX:{workers}:endpoints, a zset of the names of all endpoints that there
// ever were by the time until which somebody serves them. What webhooks have
// told is under PREFIX:{hints}:, see hints.go. A lane that was ever paused has a hash
// PREFIX:{breaker:LANE} with these fields, or with nothing but resumed, when it went
// on, after it has:
//
//	class, message, since, by    why it is paused, since when, and what told of it: a create or a response
//	probes, failed, probe_at     how many probes were sent, how many in a row failed, and when the next may be
//	probe, lease                 the try that is out as the last probe, and until when it is waited for
//	probe:TRY                    1 for each probe of which nothing is known yet
//	teller, news                 who opened or changed it, and what the answer was
//
// The cap on looks is kept under PREFIX:{looks}:, see capped.go, and how long responses took is under PREFIX:{durations}:, see durations.go.
//
// What a lane may send is under PREFIX:{rates:LANE}: and goes a day after its last turn,
// but for set, which stays:
//
//	rates   hash    when the next request and the next token are due, what the provider
//	                has told of its limits, until when everything is held back, and by
//	                how much the rates are cut; see lua/rates.lua
//	open    zset    the tries that have a place in flight, by when somebody looks
//	                whether their responses still are
//	set     hash    the limits and the pause that were set at run time
//
// The batches of an endpoint are under PREFIX:{batches:ENDPOINT}:, see batches.go. What is spent within a budget is under PREFIX:{budget:NAME}:, and the budgets that were
// set at run time under PREFIX:{budgets}:, see spending.go. Runs of documents are under
// PREFIX:{runs}:, see runs.go.
//
// On the channel PREFIX:pokes scripts name the sets in which something is due at
// once.
type base string

// base is where the keys of a shard begin.
func (s *Store) base(shard int) base { return s.bases[shard] }

func newBases(prefix string, shards int) []base {
	bases := make([]base, shards)
	for shard := range bases {
		bases[shard] = base(fmt.Sprintf("%s:{s%02x}:", prefix, shard))
	}
	return bases
}

// dueKey is the set in which a job is due.
func (b base) dueKey(j jobs.Job) string {
	if j.State == jobs.StateRunning {
		a, _ := j.CurrentAttempt()
		return b.looks(a.Endpoint)
	}
	if j.Planning() {
		return string(b) + plansSet(j.Kind)
	}
	return b.due()
}

// home is the base of the job's own shard, or ErrNotFound for an id that cannot
// be of this installation.
func (s *Store) home(id jobs.ID) (base, error) {
	if _, err := jobs.ParseID(string(id)); err != nil {
		return "", fmt.Errorf("%.64q: %w", string(id), ErrNotFound)
	}
	shard := id.Shard()
	if shard < 0 || shard >= s.shards {
		return "", fmt.Errorf("%s: %w", id, ErrNotFound)
	}
	return s.base(shard), nil
}

func (b base) job(id jobs.ID) string { return string(b) + "job:" + string(id) }

func (b base) dependents(id jobs.ID) string { return string(b) + "dependents:" + string(id) }

func (b base) deltas(id jobs.ID) string { return string(b) + "deltas:" + string(id) }

func (b base) dedupe(hash string) string { return string(b) + "dedupe:" + hash }

func (b base) later(lane string) string { return string(b) + laterSet(lane) }

func (b base) fence() string { return string(b) + "fence" }

func (b base) due() string { return string(b) + dueSet }

func (b base) looks(endpoint string) string { return string(b) + looksSet(endpoint) }

func (b base) gone() string { return string(b) + "gone" }

func (s *Store) installationKey() string { return s.config.Prefix + ":{meta}:installation" }

// meta is the base of the keys about the installation as a whole.
func (s *Store) meta() base { return base(s.config.Prefix + ":{meta}:") }

// pokesChannel is where a script says which set holds something due.
func (s *Store) pokesChannel() string { return s.config.Prefix + ":pokes" }

func (s *Store) workersKey() string { return s.config.Prefix + ":{workers}:alive" }

func (s *Store) workerKey(id string) string { return s.config.Prefix + ":{workers}:worker:" + id }

func (s *Store) endpointsKey() string { return s.config.Prefix + ":{workers}:endpoints" }

// dueSet is the set of what is due and no look.
const dueSet = "due"

// laterSet is the set of a lane's jobs whose time has not come.
func laterSet(lane string) string { return "later:" + lane }

// plansSet is the set of the parents of a kind whose planner is to be asked.
func plansSet(kind jobs.Kind) string { return "plans:" + string(kind) }

// looksSet is the set of the looks at an endpoint's responses.
func looksSet(endpoint string) string { return "looks:" + endpoint }

// bandWidth separates the priorities among the ready jobs: no time is so late,
// in milliseconds, before the year 2109.
const bandWidth = 1 << 42

// rank is a job's place among the ready ones of its lane, the lowest first.
func rank(j jobs.Job) int64 {
	return int64(jobs.MaxPriority-j.Priority)*bandWidth + ms(j.Created)
}
