package app

import (
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// planners are those of this build, by the kind of job that they plan.
func planners() map[jobs.Kind]jobs.Planner {
	return map[jobs.Kind]jobs.Planner{jobs.KindSummarize: summarize.Planner{}}
}
