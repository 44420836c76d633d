package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// byteOrderMark has spreadsheets read the table as UTF-8.
const byteOrderMark = "\ufeff"

// cellRunes is the longest text of a cell: a spreadsheet takes 32,767 characters.
const cellRunes = 32_000

func csvHeader() []string {
	return []string{
		"document", "title", "status", "language", "summary", "key_points", "open_questions", "unit", "sections", "sources", "unverified",
		"model", "requests", "input_tokens", "output_tokens", "cost_usd", "known_cost_usd", "cost_unknown",
		"finished_at", "job_id", "error_class", "error", "note", "file",
	}
}

// CSV writes a table with a line for each document. What it has cost is in one of two
// columns, so that the sum of both is what is known, and that of a third is of how many
// documents something is not. A text that a spreadsheet would
// take for a formula stands behind an apostrophe, and one that is too long for a cell
// is cut and says so; the JSON files have them as they are.
func CSV(w io.Writer, documents Documents) error {
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	out := csv.NewWriter(w)
	_ = out.Write(csvHeader()) // Error tells of all writes at once
	for d, err := range documents {
		if err != nil {
			return err
		}
		_ = out.Write(csvRecord(d))
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

func csvRecord(d Document) []string {
	e, s := d.Entry, d.Summary
	if s == nil {
		s = &summarize.Summary{}
	}
	failure := summarize.EntryError{}
	if e.Error != nil {
		failure = *e.Error
	}
	var p paid
	p.pay(e)
	finished := ""
	if !e.FinishedAt.IsZero() {
		finished = e.FinishedAt.UTC().Format(time.RFC3339)
	}
	text := s.Text
	if len(s.Custom) > 0 {
		text = string(s.Custom)
	}
	n := strconv.Itoa
	record := []string{
		e.Document, title(d), string(e.Status), s.Language, text, statementLines(s.KeyPoints, s.Coverage), statementLines(s.OpenQuestions, s.Coverage),
		s.Coverage.Unit, n(s.Coverage.Sections), n(s.Coverage.Sources), n(s.Coverage.Unverified),
		e.Model, n(e.Requests), strconv.FormatInt(e.InputTokens, 10), strconv.FormatInt(e.OutputTokens, 10),
		amount(e.Cost), amount(e.KnownCost), n(p.CostUnknown), finished, e.JobID,
		failure.Class, failure.Message, remark(e), e.Output,
	}
	for i := range record {
		record[i] = cell(record[i])
	}
	return record
}

// amount is a cost in dollars without their sign, "" for none.
func amount(m *jobs.Money) string {
	if m == nil {
		return ""
	}
	return strings.TrimPrefix(m.String(), "$")
}

// statementLines writes statements on a line each, with the places that they are from.
func statementLines(statements []summarize.Statement, of summarize.Coverage) string {
	var b strings.Builder
	for i, s := range statements {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line(s.Text, 4000))
		var places []string
		for _, c := range s.Sources {
			if where := place(c); where != "" {
				switch why, bad := doubt(c, of); {
				case bad:
					where += " (unverified)"
				case why != "":
					where += " (" + why + ")"
				}
				places = append(places, where)
			}
		}
		if len(places) > 0 {
			b.WriteString(" [" + strings.Join(places, "; ") + "]")
		}
	}
	return b.String()
}

// cell makes a text safe for a spreadsheet.
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return '\ufffd' // it would steer a terminal, and a spreadsheet shows nothing
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if runes := []rune(s); len(s) > cellRunes && len(runes) > cellRunes {
		s = string(runes[:cellRunes]) + "… (cut; the JSON file has all of it)"
	}
	if begins := strings.TrimLeft(s, " \t\r\n\u00a0\ufeff\u200b"); begins != "" && strings.ContainsAny(firstRune(begins), "=+-@|%＝＋－＠") {
		return "'" + s
	}
	return s
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}
