// Package chaos holds tests only: every fault that a worker must survive, done
// to the real binaries, with a real redis-server and the simulator's ledger as
// the witness of what was paid for. Run them with make chaos; they take some
// minutes, so their files have a build tag and are no part of make test.
//
// A table at the end has a row for each fault: what was done, the seed, what the
// ledger and the records say, and how long it took. CHAOS_SEED repeats a run's
// random choices.
package chaos
