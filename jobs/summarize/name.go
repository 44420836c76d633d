package summarize

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxNameBytes bounds the name of a summary before its digest and extension,
	// well below the 255 bytes that file systems allow.
	maxNameBytes = 120
	// nameSeparator stands for a slash in the name of a summary.
	nameSeparator = "--"
	// digestMark stands before the digest in the name of a summary. Names
	// without a digest never contain it.
	digestMark = "~"
)

// OutputName returns the name of the summary's file for a document path. It
// depends on nothing but the path, so a document keeps its name whatever else
// is summarized with it, and different paths have different names:
//
//	minutes.md              minutes.md
//	minutes.txt             minutes.txt.md
//	2024/plan/minutes.html  2024--plan--minutes.html.md
//
// A path from which a name cannot be made so plainly (absolute, hidden, very
// long, with unusual characters, or one that gives the name of a file about the whole
// run) gives the file name, as far as it goes, and a digest of the path:
// draft~5e2f0c3a9b71.md.
//
// The result is always one file name: without separators, not hidden, and of
// no more than 140 bytes. Where the file system makes no difference between large and
// small letters two names may still be one; see [Folder.Outputs].
func OutputName(documentPath string) string {
	p := filepath.ToSlash(documentPath)
	if name, ok := plainName(p); ok {
		return name + ".md"
	}
	return digestName(p)
}

// digestName is the name with a digest of the path.
func digestName(p string) string {
	sum := sha256.Sum256([]byte(p))
	return tame(path.Base(p)) + digestMark + hex.EncodeToString(sum[:6]) + ".md"
}

// plainName joins the elements of a path if no other path gives the same name.
func plainName(p string) (string, bool) {
	elements := strings.Split(p, "/")
	for _, element := range elements {
		if !isPlain(element) {
			return "", false
		}
	}
	name := strings.Join(elements, nameSeparator)
	if stem, isMarkdown := strings.CutSuffix(name, ".md"); isMarkdown {
		// The summary of a.txt is called a.txt.md, so the document a.txt.md is not.
		if _, ambiguous := KindOf(stem); ambiguous {
			return "", false
		}
		name = stem
	} else if _, known := KindOf(name); !known {
		// Without an extension "notes" would be confused with "notes.md".
		return "", false
	}
	return name, len(name) <= maxNameBytes && !isTaken(name)
}

// isTaken reports whether files about a whole run have this name, in any case of
// letters and with some extension.
func isTaken(name string) bool {
	switch strings.ToLower(name) {
	case "index", "across", "report", "summaries":
		return true
	}
	return false
}

// isPlain reports whether an element of a path can be part of a file name as it
// is, on every usual system, and cannot be confused with a separator.
func isPlain(element string) bool {
	if element == "" || !utf8.ValidString(element) || isReserved(element) {
		return false
	}
	if strings.Trim(element, " .-") != element || strings.Contains(element, nameSeparator) {
		return false
	}
	return !strings.ContainsFunc(element, func(r rune) bool { return !isNameRune(r) })
}

// isNameRune reports whether a character may stand in the name of a summary.
func isNameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) || strings.ContainsRune(" ._-+,()'&@=", r)
}

// isReserved reports whether Windows takes a name for a device, whatever its
// extension.
func isReserved(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch strings.TrimRight(stem, " ") {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	port, isCOM := strings.CutPrefix(stem, "COM")
	if !isCOM {
		var isLPT bool
		if port, isLPT = strings.CutPrefix(stem, "LPT"); !isLPT {
			return false
		}
	}
	return len(port) == 1 && port[0] >= '0' && port[0] <= '9'
}

// tame returns what a name keeps of itself in front of a digest.
func tame(name string) string {
	if _, known := KindOf(name); known {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	name = strings.Map(func(r rune) rune {
		if !isNameRune(r) || r == utf8.RuneError {
			return '-'
		}
		return r
	}, strings.ToValidUTF8(name, "-"))
	for len(name) > maxNameBytes {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	if name = strings.Trim(name, " .-"); name == "" || isReserved(name) {
		return "document"
	}
	return name
}
