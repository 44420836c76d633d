package results

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

//go:embed lua/*.lua
var sources embed.FS

// The first lines of a script that may write when Redis is full, and of one that
// writes nothing.
const (
	allowOOM = "#!lua flags=allow-oom\n"
	noWrites = "#!lua flags=no-writes\n"
)

// scripts are the atomic steps, one each.
type scripts struct {
	accept, apply, admit, claim, late, settle, remove, expire, audit, list, count, gone, round, orphans *redis.Script
	alone, hint, claimHints, settleHint, trip, probe, mend, addEnds, allow                              *redis.Script
	reserve, observe, correct, room, places                                                             *redis.Script
	attend, told, attach, partEnded                                                                     *redis.Script
	lineAdd, lineDrop, lineLeave, batchForm, batchStep, batchKeep                                       *redis.Script
	hold, spend, tally                                                                                  *redis.Script
	renew, progress                                                                                     *redis.Script
}

// The scripts are read once in a process, whatever number of stores there are.
//
//nolint:gochecknoglobals // they never change
var (
	flaggedScripts = sync.OnceValues(func() (scripts, error) { return newScripts(true) })
	plainScripts   = sync.OnceValues(func() (scripts, error) { return newScripts(false) })
)

// scriptsFor returns the scripts for a server that knows their flags, or does not.
func scriptsFor(flags bool) (scripts, error) {
	if flags {
		return flaggedScripts()
	}
	return plainScripts()
}

// newScripts reads the sources. With flags, the scripts that record what was
// already paid for, and those that make room, pass when Redis is full; new work
// is neither accepted nor admitted then.
func newScripts(flags bool) (scripts, error) {
	common, err := sources.ReadFile("lua/common.lua")
	if err != nil {
		return scripts{}, fmt.Errorf("read scripts: %w", err)
	}
	rates, err := sources.ReadFile("lua/rates.lua")
	if err != nil {
		return scripts{}, fmt.Errorf("read scripts: %w", err)
	}
	budget, err := sources.ReadFile("lua/budget.lua")
	if err != nil {
		return scripts{}, fmt.Errorf("read scripts: %w", err)
	}
	batch, err := sources.ReadFile("lua/batch.lua")
	if err != nil {
		return scripts{}, fmt.Errorf("read scripts: %w", err)
	}
	var failed error
	read := func(shared []definition, name, flag string) *redis.Script {
		body, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil {
			failed = fmt.Errorf("read scripts: %w", err)
			return nil
		}
		if !flags {
			flag = ""
		}
		return redis.NewScript(flag + needed(shared, string(body)) + string(body))
	}
	ofJobs, ofBudgets, ofBatches, ofRates := definitionsOf(vocabulary()+string(common)), definitionsOf(string(budget)), definitionsOf(string(batch)), definitionsOf(string(rates))
	load := func(name, flag string) *redis.Script { return read(ofJobs, name, flag) }
	loadBudget := func(name string) *redis.Script { return read(ofBudgets, name, allowOOM) }
	loadBatch := func(name, flag string) *redis.Script { return read(ofBatches, name, flag) }
	loadRates := func(name string) *redis.Script { return read(ofRates, name, allowOOM) }
	s := scripts{
		accept:  load("accept", ""),
		apply:   load("apply", allowOOM),
		admit:   load("admit", ""),
		claim:   load("claim", allowOOM),
		late:    load("late", allowOOM),
		orphans: load("orphans", allowOOM),
		settle:  load("settle", allowOOM),
		remove:  load("remove", allowOOM),
		expire:  load("expire", allowOOM),
		audit:   load("audit", allowOOM),
		list:    load("list", noWrites),
		count:   load("count", noWrites),
		gone:    load("gone", allowOOM),
		round:   load("round", allowOOM),

		attend: load("attend", ""),
		told:   load("told", allowOOM),

		attach:    load("attach", ""),
		partEnded: load("partended", allowOOM),

		// Progress is not kept when Redis is full: its memory is for results.
		renew:    load("renew", allowOOM),
		progress: load("progress", ""),

		alone:      load("alone", allowOOM),
		hint:       load("hint", ""),
		claimHints: load("claimhints", allowOOM),
		settleHint: load("settlehint", allowOOM),
		addEnds:    load("addends", ""),
		allow:      load("allow", allowOOM),

		// A pause must be kept when Redis is full: without it each job would try.
		trip:  load("trip", allowOOM),
		probe: load("probe", allowOOM),
		mend:  load("mend", allowOOM),

		// So must the rates, or all would be sent at once.
		reserve: loadRates("reserve"),
		observe: loadRates("observe"),
		correct: loadRates("correct"),
		room:    loadRates("room"),
		places:  loadRates("places"),

		// What is in a batch is paid for; what is not yet is not taken.
		lineAdd:   loadBatch("lineadd", ""),
		lineDrop:  loadBatch("linedrop", allowOOM),
		lineLeave: loadBatch("lineleave", allowOOM),
		batchForm: loadBatch("batchform", ""),
		batchStep: loadBatch("batchstep", allowOOM),
		batchKeep: loadBatch("batchkeep", allowOOM),

		// And what is spent.
		hold:  loadBudget("hold"),
		spend: loadBudget("spend"),
		tally: loadBudget("tally"),
	}
	return s, failed
}

// vocabulary tells the scripts the states, and which of them are terminal.
func vocabulary() string {
	states, terminal := make([]string, 0, len(jobs.States())), make([]string, 0, len(jobs.States()))
	for _, state := range jobs.States() {
		states = append(states, "'"+string(state)+"'")
		if state.Terminal() {
			terminal = append(terminal, string(state)+" = true")
		}
	}
	return "local states = { " + strings.Join(states, ", ") + " }\n" +
		"local terminal = { " + strings.Join(terminal, ", ") + " }\n" +
		"local pause_fields = { '" + strings.Join(pauseFields(), "', '") + "' }\n"
}

// hasScriptFlags tries a flag, one with which a server answers that takes no writes:
// they came with Redis 7.0, and servers that only
// speak its protocol may lack them whatever version they report. One that lacks
// them cannot compile the script. In a Cluster each master must have them; one
// that does not answer is taken to be like the others.
func (s *Store) hasScriptFlags(ctx context.Context) (bool, error) {
	if s.config.Embedded {
		return false, nil
	}
	var answered, refused atomic.Bool
	err := s.onMasters(ctx, func(ctx context.Context, node redis.UniversalClient) error {
		ctx, cancel := context.WithTimeout(ctx, nodePatience)
		defer cancel()
		err := node.Eval(ctx, noWrites+"return 1", nil).Err()
		// redis.HasErrorPrefix cannot tell: it takes the general prefix away first.
		if e, ok := errors.AsType[redis.Error](err); ok && strings.HasPrefix(e.Error(), "ERR ") {
			refused.Store(true)
			err = nil
		}
		if err == nil {
			answered.Store(true)
		}
		return err
	})
	if err != nil && !answered.Load() {
		return false, fmt.Errorf("ask redis for script flags: %w", err)
	}
	return !refused.Load(), nil
}

// run calls a script on the shard whose base is given.
func (s *Store) run(ctx context.Context, script *redis.Script, b base, args ...any) *redis.Cmd {
	var answer *redis.Cmd
	err := s.once(ctx, b, func(ctx context.Context) error {
		answer = script.Run(ctx, s.rdb, []string{string(b)}, args...)
		return answer.Err()
	})
	if answer == nil {
		answer = redis.NewCmd(ctx)
		answer.SetErr(err)
	}
	return answer
}

// runTogether is [Store.run] for a script that may be called twice with the same
// arguments: callers that come at the same time share a round trip.
func (s *Store) runTogether(ctx context.Context, script *redis.Script, b base, args ...any) *redis.Cmd {
	cmd := redis.NewCmd(ctx, append([]any{"evalsha", script.Hash(), 1, string(b)}, args...)...)
	if s.convoy.carry(ctx, cmd) {
		return cmd
	}
	return s.run(ctx, script, b, args...)
}

// call is one script call of several that travel together.
type call struct {
	shard int
	args  []any
}

// everywhere calls a script with the same arguments on every shard, and hands
// each answer to visit, which sees the shards in order.
func (s *Store) everywhere(ctx context.Context, script *redis.Script, args []any, visit func(answer *redis.Cmd) error) error {
	calls := make([]call, s.shards)
	for shard := range calls {
		calls[shard] = call{shard: shard, args: args}
	}
	return s.together(ctx, script, calls, func(_ int, answer *redis.Cmd) error { return visit(answer) })
}

// together makes several calls of a script in one round trip and hands each
// answer to visit, in order. A shard that cannot be reached keeps none of the
// others from being visited; the error says how many were missed, and why the
// first was.
//
// A server that has forgotten the script, or in a Cluster never had it, is sent
// its source. Only its own calls are repeated: what the others did was done.
func (s *Store) together(ctx context.Context, script *redis.Script, calls []call, visit func(i int, answer *redis.Cmd) error) error {
	answers := s.pipeline(ctx, calls, script.EvalSha)
	var unknown []int
	var again []call
	for i, answer := range answers {
		if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
			unknown, again = append(unknown, i), append(again, calls[i])
		}
	}
	if len(again) > 0 {
		for k, answer := range s.pipeline(ctx, again, script.Eval) {
			answers[unknown[k]] = answer
		}
	}
	missed := 0
	var first error
	for i, answer := range answers {
		err := answer.Err()
		if err == nil {
			err = visit(i, answer)
		}
		if err == nil {
			continue
		}
		if missed++; first == nil {
			first = err
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d calls: %w", missed, len(calls), first)
	}
	return nil
}
