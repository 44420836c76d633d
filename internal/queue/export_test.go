package queue

import "time"

// RetryDelay draws a wait before a repeat.
func RetryDelay(n int) time.Duration { return retryDelay(n, errPutBack, nil) }

// Closing reports whether the server takes nothing new.
func (s *Server) Closing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}
