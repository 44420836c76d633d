package queue

import "time"

// RetryDelay draws a wait before a repeat.
func RetryDelay(n int) time.Duration { return retryDelay(n, errPutBack, nil) }
