package api

// CloseListener takes the listener away from a server, as an operating system
// that runs out of descriptors would.
func CloseListener(s *Server) error { return s.listener.Close() }
