package parents

import (
	"context"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Handle takes the step of a claimed parent.
func Handle(ctx context.Context, r *Runner, j jobs.Job) { r.handle(ctx, j) }
