package pdf

// Usable lets tests ask whether a folder may hold what is compiled.
func Usable(dir string) bool { return usable(dir) }
