package doctor

import (
	"slices"
	"time"
)

// Server is what a server said, for the tests of the judgements.
type Server struct {
	Info, Settings map[string]string
	Offset         time.Duration
	Pings          []time.Duration
	NoFlags        bool
	DiskWait       bool
}

// Judge judges servers as if they had answered so.
func Judge(replicas int, disk bool, servers ...Server) Report {
	gathered := make([]facts, 0, len(servers))
	for i, s := range servers {
		gathered = append(gathered, facts{
			addr: string(rune('a' + i)), info: s.Info, settings: s.Settings, offset: s.Offset, pings: s.Pings,
			scriptFlags: !s.NoFlags, diskWait: s.DiskWait,
		})
	}
	return judge(gathered, wanted{replicas: replicas, disk: disk})
}

// JudgeCluster judges what the nodes of a Cluster say of it.
func JudgeCluster(missing []string, info map[string]string, servers ...Server) Finding {
	gathered := make([]facts, 0, len(servers))
	for _, s := range servers {
		gathered = append(gathered, facts{info: s.Info, settings: s.Settings})
	}
	return judgeCluster(gathered, missing, info)
}

// JudgeSentinels judges a Sentinel set.
var JudgeSentinels = judgeSentinels

// Probes are the names of the commands that are tried, those that a create may wait
// with included.
func Probes() []string {
	var names []string
	for _, p := range slices.Concat(probes(), Redis{WaitDisk: true}.waits(), Redis{WaitReplicas: 1}.waits()) {
		names = append(names, p.full())
	}
	return names
}
