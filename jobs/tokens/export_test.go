package tokens

// CountInWindows lets tests count with windows of any size.
func CountInWindows(text string, limit, usual, longest int) (tokens, counted int, err error) {
	return windows{usual: usual, longest: longest}.count(text, limit)
}
