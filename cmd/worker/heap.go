package main

import (
	"os"
	"runtime"
)

// heapFloor is how much of the heap is held and never used. The collector runs when
// the heap has grown by as much as lives in it: a worker keeps little between two jobs
// and would collect all the time. What is held is address space; the garbage that may
// gather because of it is memory, as much again at most. With it the path of "make bench"
// takes a worker 8 % less processor; twice as much brings no more.
const heapFloor = 32 << 20

// holdHeap holds the floor until it is released, unless the environment says how often to
// collect, or how much memory there is: what is held would count.
func holdHeap() (release func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	floor := make([]byte, heapFloor)
	return func() { runtime.KeepAlive(floor) }
}
