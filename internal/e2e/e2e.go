// Package e2e holds tests only: the real binaries, talking to a real
// redis-server and to the simulator in a process of its own, killed, stopped and
// restarted while they work. What was paid for is counted in the simulator's
// ledger, not guessed.
package e2e
