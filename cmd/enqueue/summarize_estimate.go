package main

import (
	"context"
	"errors"
	"runtime"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// estimate says what the documents that need a summary are likely to cost. A document
// that cannot be summarized is named, and costs nothing.
func (r *summarizeRun) estimate(ctx context.Context, paths []string) (err error) {
	selection, err := summarize.Expand(ctx, paths, summarize.ExpandOptions{Exclude: []string{r.out}})
	if err != nil {
		return err
	}
	if len(selection.Sources) == 0 {
		return nothingSelected(selection)
	}
	if r.folder, err = summarize.ReadFolder(r.out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.folder.Close()) }()
	r.passedOver(selection.Skipped)
	for _, failed := range selection.Failed {
		r.console.say("%s: %s", failed.Path, failed.Err)
	}
	f, err := newForecast(r.config, r.job)
	if err != nil {
		return err
	}
	err = inParallel(ctx, runtime.GOMAXPROCS(0), len(selection.Sources), func(ctx context.Context, i int) error {
		return r.forecast(ctx, f, i, selection.Sources[i])
	})
	if err != nil {
		return err
	}
	return r.printForecast(f)
}

// forecast counts what a document is likely to cost, if it needs a summary.
func (r *summarizeRun) forecast(ctx context.Context, f *forecast, order int, source summarize.Source) error {
	d, needed, err := r.prepare(ctx, order, source)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.console.say("%s", err)
		return nil
	}
	if !needed {
		f.skip()
		return nil
	}
	request, err := jobs.ParseRequest(d.request, r.options.Model)
	if err != nil {
		return err
	}
	f.add(request)
	return nil
}
