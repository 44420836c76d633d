// Package prices knows what responses cost: a dated list of prices, and the sum
// for what one response used. It is pure, and its list is data: prices.json, with
// the source and the day of each line, under whatever the configuration says.
//
// A price that nobody has told it is unknown, and so is the cost of whatever used
// something of that price. It is never taken for nothing.
package prices

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

//go:embed prices.json
var builtin []byte

// Price is what one model costs from a day on, for each million tokens. What is nil
// is not known.
type Price struct {
	Model string
	From  time.Time
	Input, Cached,
	Write, WriteLong, // into the cache, for half an hour and for twelve
	Output *jobs.Money

	// LongOver is over how many input tokens the whole request is charged by LongInput
	// and LongOutput; 0 for never. These and all factors are percentages.
	LongOver, LongInput, LongOutput int64
	// Regional is charged at endpoints that process in one region, 0 for not known.
	Regional int64
	// Tiers are the factors of the service tiers.
	Tiers map[string]int64

	// Source says who says so, and Seen when.
	Source string
	Seen   time.Time
}

// Tool is what a thousand calls of a tool cost from a day on.
type Tool struct {
	Name        string
	From        time.Time
	PerThousand *jobs.Money
	Source      string
	Seen        time.Time
}

// Table is a list of prices. It is not changed, and is safe for concurrent use.
type Table struct {
	models map[string][]Price // each by From, the latest first
	tools  map[string][]Tool
}

// Builtin is the list that this build knows.
func Builtin() (*Table, error) { return parse(builtin) }

// With returns the list with other prices over it: one that begins on the same day
// replaces what there was, and so does one without a day.
func (t *Table) With(models []Price, tools []Tool) *Table {
	next := &Table{models: maps.Clone(t.models), tools: maps.Clone(t.tools)}
	for _, p := range models {
		next.models[p.Model] = over(next.models[p.Model], p, func(p Price) time.Time { return p.From })
	}
	for _, p := range tools {
		next.tools[p.Name] = over(next.tools[p.Name], p, func(p Tool) time.Time { return p.From })
	}
	return next
}

// over puts a line over others: one without a day over all of them.
func over[L any](lines []L, line L, from func(L) time.Time) []L {
	if from(line).IsZero() {
		return []L{line}
	}
	kept := slices.DeleteFunc(slices.Clone(lines), func(l L) bool { return from(l).Equal(from(line)) })
	kept = append(kept, line)
	slices.SortFunc(kept, func(a, b L) int { return from(b).Compare(from(a)) })
	return kept
}

// Models returns every line about a model, by name and from the latest on.
func (t *Table) Models() []Price {
	var lines []Price
	for _, name := range slices.Sorted(maps.Keys(t.models)) {
		lines = append(lines, t.models[name]...)
	}
	return lines
}

// snapshot is what a dated name of a model has behind the name that is in the list.
var snapshot = regexp.MustCompile(`^-(\d{4}-\d{2}-\d{2}|\d{4})$`)

// Find returns the price of a model at a time. A snapshot has that of its model: the
// longest name counts, and nothing but a date may follow it.
func (t *Table) Find(model string, at time.Time) (Price, error) {
	name := model
	if _, ok := t.models[name]; !ok {
		name = ""
		for known := range t.models {
			rest, ok := strings.CutPrefix(model, known)
			if ok && len(known) > len(name) && snapshot.MatchString(rest) {
				name = known
			}
		}
	}
	if name == "" {
		return Price{}, fmt.Errorf("no price for model %s, set prices.%s", model, model)
	}
	for _, p := range t.models[name] {
		if !p.From.After(at) {
			return p, nil
		}
	}
	return Price{}, fmt.Errorf("no price for model %s before %s, set prices.%s", model, day(t.models[name][len(t.models[name])-1].From), name)
}

// Use is what is to be paid for.
type Use struct {
	Model string
	// Tier is the service tier that the response says it was served in, "" for the
	// default.
	Tier string
	// Regional says that the endpoint processes in one region.
	Regional bool
	Usage    jobs.Usage
	At       time.Time
}

// Charge is what a use costs.
type Charge struct {
	Cost jobs.Money
	// Saved is by how much more that would have been without the prompt cache.
	Saved jobs.Money
	// Prices is the day of the line that the price is from.
	Prices string
}

// Cost returns what a use costs, or why that is not known. What was not used needs no
// price.
func (t *Table) Cost(u Use) (Charge, error) {
	p, err := t.Find(u.Model, u.At)
	if err != nil {
		return Charge{}, err
	}
	factor, err := p.factor(u)
	if err != nil {
		return Charge{}, err
	}
	in, out := int64(100), int64(100)
	if p.LongOver > 0 && u.Usage.InputTokens > p.LongOver {
		in, out = p.LongInput, p.LongOutput
	}
	x := u.Usage
	long := min(x.CacheWriteLongTokens, x.CacheWriteTokens)
	plain := max(0, x.InputTokens-x.CachedTokens-x.CacheWriteTokens)
	var sum, uncached total
	for _, part := range []struct {
		name   string
		tokens int64
		price  *jobs.Money
		factor int64
	}{
		{"input", plain, p.Input, in},
		{"cached input", x.CachedTokens, p.Cached, in},
		{"cache writes", x.CacheWriteTokens - long, p.Write, in},
		{"12-hour cache writes", long, p.WriteLong, in},
		{"output", x.OutputTokens, p.Output, out},
	} {
		if part.tokens == 0 {
			continue
		}
		if part.price == nil {
			return Charge{}, fmt.Errorf("no price for %s of model %s, set prices.%s", part.name, u.Model, p.Model)
		}
		sum.add(part.tokens, *part.price, part.factor)
	}
	if p.Input != nil {
		uncached.add(x.InputTokens, *p.Input, in)
	}
	if p.Output != nil {
		uncached.add(x.OutputTokens, *p.Output, out)
	}
	c := Charge{Cost: sum.money(factor), Prices: day(p.Seen)}
	if p.Input != nil && x.CachedTokens+x.CacheWriteTokens > 0 {
		c.Saved = uncached.money(factor) - c.Cost
	}
	tools, err := t.tooling(u)
	c.Cost += tools
	return c, err
}

// factor is by how much a price is multiplied, for the tier and for the region.
func (p Price) factor(u Use) (*big.Rat, error) {
	tier := u.Tier
	if tier == "" || tier == "auto" {
		tier = "default"
	}
	percent, ok := p.Tiers[tier]
	if !ok {
		return nil, fmt.Errorf("no price for service tier %s of model %s, set its factor in prices.%s.tiers", tier, u.Model, p.Model)
	}
	f := big.NewRat(percent, 100)
	if u.Regional {
		if p.Regional == 0 {
			return nil, fmt.Errorf("no price for regional processing by model %s, set prices.%s", u.Model, p.Model)
		}
		f.Mul(f, big.NewRat(p.Regional, 100))
	}
	return f, nil
}

// tooling is what the calls of tools cost.
func (t *Table) tooling(u Use) (jobs.Money, error) {
	var sum jobs.Money
	for _, call := range []struct {
		tool string
		n    int64
	}{
		{"web_search", u.Usage.WebSearches},
		{"web_search_preview", u.Usage.PreviewSearches},
		{"file_search", u.Usage.FileSearches},
		{"container_" + u.Usage.ContainerSize, u.Usage.Containers},
		{"image_generation", u.Usage.Images},
	} {
		if call.n == 0 {
			continue
		}
		lines := t.tools[call.tool]
		i := slices.IndexFunc(lines, func(l Tool) bool { return !l.From.After(u.At) })
		if i < 0 || lines[i].PerThousand == nil {
			return 0, fmt.Errorf("no price for tool %s, set prices.%s", call.tool, call.tool)
		}
		var one total
		one.add(call.n*1000, *lines[i].PerThousand, 100) // a million of them are a thousand thousands
		sum += one.money(big.NewRat(1, 1))
	}
	return sum, nil
}

// total is a sum of tokens times their price for a million, in percents.
type total struct{ n big.Int }

func (t *total) add(tokens int64, price jobs.Money, percent int64) {
	var part big.Int
	part.Mul(big.NewInt(tokens), big.NewInt(int64(price)))
	t.n.Add(&t.n, part.Mul(&part, big.NewInt(percent)))
}

// money is the sum times a factor, rounded once, and what is halfway upwards.
func (t *total) money(factor *big.Rat) jobs.Money {
	var r big.Rat
	r.SetFrac(&t.n, big.NewInt(100*1_000_000))
	r.Mul(&r, factor)
	var n, rest, double big.Int
	n.QuoRem(r.Num(), r.Denom(), &rest)
	if double.Lsh(&rest, 1).Cmp(r.Denom()) >= 0 {
		n.Add(&n, big.NewInt(1))
	}
	return jobs.Money(n.Int64())
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// lines is the shape of prices.json.
type lines struct {
	Models []modelLine          `json:"models"`
	Groups map[string]groupLine `json:"groups"`
	Tools  []toolLine           `json:"tools"`
}

type modelLine struct {
	Model     string `json:"model"`
	From      string `json:"from"`
	Input     string `json:"input"`
	Cached    string `json:"cached"`
	Write     string `json:"write"`
	WriteLong string `json:"write_12h"`
	Output    string `json:"output"`
	Group     string `json:"group"`
	Source    string `json:"source"`
	Seen      string `json:"seen"`
}

type groupLine struct {
	LongOver   int64            `json:"long_over"`
	LongInput  int64            `json:"long_input"`
	LongOutput int64            `json:"long_output"`
	Regional   int64            `json:"regional"`
	Tiers      map[string]int64 `json:"tiers"`
}

type toolLine struct {
	Tool        string `json:"tool"`
	From        string `json:"from"`
	PerThousand string `json:"per_thousand"`
	Source      string `json:"source"`
	Seen        string `json:"seen"`
}

// parse reads a list as prices.json has it.
func parse(raw []byte) (*Table, error) {
	var l lines
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	var models []Price
	var tools []Tool
	for _, m := range l.Models {
		r := reader{}
		g, ok := l.Groups[m.Group]
		if !ok {
			return nil, fmt.Errorf("read prices: %s has no group %q", m.Model, m.Group)
		}
		models = append(models, Price{
			Model: m.Model, From: r.day(m.From), Input: r.money(m.Input), Cached: r.money(m.Cached),
			Write: r.money(m.Write), WriteLong: r.money(m.WriteLong), Output: r.money(m.Output),
			LongOver: g.LongOver, LongInput: g.LongInput, LongOutput: g.LongOutput, Regional: g.Regional,
			Tiers: g.Tiers, Source: m.Source, Seen: r.day(m.Seen),
		})
		if r.err != nil {
			return nil, fmt.Errorf("read prices: %s: %w", m.Model, r.err)
		}
	}
	for _, m := range l.Tools {
		r := reader{}
		tools = append(tools, Tool{Name: m.Tool, From: r.day(m.From), PerThousand: r.money(m.PerThousand), Source: m.Source, Seen: r.day(m.Seen)})
		if r.err != nil {
			return nil, fmt.Errorf("read prices: %s: %w", m.Tool, r.err)
		}
	}
	empty := &Table{models: map[string][]Price{}, tools: map[string][]Tool{}}
	return empty.With(models, tools), nil
}

// reader reads values until one cannot be read.
type reader struct{ err error }

func (r *reader) day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil && r.err == nil {
		r.err = err
	}
	return t
}

func (r *reader) money(text string) *jobs.Money {
	if text == "" {
		return nil
	}
	m, err := jobs.ParseMoney(text)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%q %w", text, err)
	}
	return &m
}
