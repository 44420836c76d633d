package report

import "io"

// Passes is how often [Pages] goes through the documents.
const Passes = 2

// Pages writes the table, the index and the HTML page of a run, in this order, each with
// one call of put, whose error ends it.
func Pages(run Run, documents Documents, put func(name string, write func(io.Writer) error) error) error {
	var o overview
	counted := func(yield func(Document, error) bool) {
		for d, err := range documents {
			if err == nil {
				o.add(d)
			}
			if !yield(d, err) {
				return
			}
		}
	}
	if err := put(CSVName, func(w io.Writer) error { return CSV(w, counted) }); err != nil {
		return err
	}
	if err := put(IndexName, func(w io.Writer) error { return o.write(w, run) }); err != nil {
		return err
	}
	return put(HTMLName, func(w io.Writer) error { return writeHTML(w, run, &o.totals, documents) })
}
