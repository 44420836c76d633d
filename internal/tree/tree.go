// Package tree holds the tests that look at this repository as a whole: which
// package may import which, that each one says what it is for, that files stay
// short, that pages link to what exists, that the commands they show can be
// run, and that each guarantee is held by a test.
//
// It has no code besides its tests, and knows nothing of what the other
// packages do. Each check is a function from a file tree to its findings, so
// that a test can also show it a tree that must not pass.
package tree
