package summarize

import (
	"encoding/xml"
	"math"
	"strconv"
	"strings"
	"time"
)

// valueFormat is how the number in a cell is to be read.
type valueFormat int

const (
	// asWritten: a number.
	asWritten valueFormat = iota
	// asDate: days since the epoch of the workbook.
	asDate
	// asPercent: a fraction of one.
	asPercent
)

// readFormats reads which styles of cells show dates and percentages.
func (w *workbook) readFormats(a *archive, part string) error {
	custom := make(map[string]valueFormat)
	inCells := false
	return a.walk(part, xmlHandler{
		start: func(e xml.StartElement) bool {
			switch e.Name.Local {
			case "numFmt":
				custom[attr(e, "numFmtId")] = formatOfCode(attr(e, "formatCode"))
			case "cellXfs":
				inCells = true
			case "xf":
				if !inCells {
					return true
				}
				id := attr(e, "numFmtId")
				format, ok := custom[id]
				if !ok {
					format = builtinFormat(id)
				}
				w.formats = append(w.formats, format)
			}
			return true
		},
		end: func(name string) { inCells = inCells && name != "cellXfs" },
	})
}

// builtinFormat returns the format behind an id that workbooks do not spell out.
func builtinFormat(id string) valueFormat {
	n, err := strconv.Atoi(id)
	switch {
	case err != nil:
	case n == 9 || n == 10:
		return asPercent
	case n >= 14 && n <= 22, n >= 27 && n <= 36, n >= 45 && n <= 47, n >= 50 && n <= 58:
		return asDate
	}
	return asWritten
}

// formatOfCode returns the format that a code such as "dd/mm/yy" or "0.0%" stands
// for. Text in quotes, after a backslash and in brackets is no part of it.
func formatOfCode(code string) valueFormat {
	quoted, bracketed, escaped := false, false, false
	for _, c := range strings.ToLower(code) {
		switch {
		case escaped:
			escaped = false
		case c == '\\' || c == '_':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			bracketed = true
		case c == ']':
			bracketed = false
		case bracketed:
		case strings.ContainsRune("ymdhs", c):
			return asDate
		case c == '%':
			return asPercent
		case c == ';':
			return asWritten
		}
	}
	return asWritten
}

// show returns a number as its reader would see it: dates as dates, and without
// the digits that come of binary fractions.
func (f valueFormat) show(value string, date1904 bool) string {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return value
	}
	switch f {
	case asDate:
		// The last day of the year 9999 is the last that a cell can hold.
		if n >= 0 && n < 2_958_466 {
			return showDate(n, date1904)
		}
	case asPercent:
		return strconv.FormatFloat(n*100, 'g', 12, 64) + "%"
	case asWritten:
	}
	return strconv.FormatFloat(n, 'g', 15, 64)
}

func showDate(days float64, date1904 bool) string {
	epoch := time.Date(1899, time.December, 30, 0, 0, 0, 0, time.UTC)
	if date1904 {
		epoch = time.Date(1904, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	whole, fraction := math.Modf(days)
	at := epoch.AddDate(0, 0, int(whole)).Add(time.Duration(math.Round(fraction*86_400)) * time.Second)
	switch {
	case fraction == 0:
		return at.Format("2006-01-02")
	case whole == 0:
		return at.Format("15:04:05")
	}
	return at.Format("2006-01-02 15:04:05")
}
