// Package bench holds measurements only: the whole path of a job beside its
// floors, taken side by side in one run on one machine. Run it with make bench.
// The programs measured are the real binaries, each in a process of its own, as
// are Redis and the simulator; nothing is asserted about time.
package bench
