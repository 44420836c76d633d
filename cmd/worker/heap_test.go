package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

// heapGoal is the size of the heap at which it is next collected.
func heapGoal() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestHeapFloorPutsCollectionsOff(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := heapGoal()
	release := holdHeap()
	if goal := heapGoal(); goal < before+heapFloor {
		t.Errorf("collects at %d bytes with the floor, and at %d without", goal, before)
	}
	release()
	if goal := heapGoal(); goal >= before+heapFloor {
		t.Errorf("collects at %d bytes after the release", goal)
	}
}

func TestHeapFloorLeavesTheOperatorsChoice(t *testing.T) {
	for name, value := range map[string]string{"GOGC": "100", "GOMEMLIMIT": "1GiB"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOGC", "")
			t.Setenv("GOMEMLIMIT", "")
			before := heapGoal()
			t.Setenv(name, value)
			defer holdHeap()()
			if goal := heapGoal(); goal >= before+heapFloor {
				t.Errorf("collects at %d bytes although %s is set", goal, name)
			}
		})
	}
}
