package config

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Price is what a model or a tool costs, over what the build knows of it. What is nil
// or 0 is not given.
type Price struct {
	// Model is the name before the @, From the day behind it, zero for no day.
	Model string
	From  time.Time

	Input          *jobs.Money `mapstructure:"input"`
	CachedInput    *jobs.Money `mapstructure:"cached_input"`
	CacheWrite     *jobs.Money `mapstructure:"cache_write"`
	CacheWriteLong *jobs.Money `mapstructure:"cache_write_long"`
	Output         *jobs.Money `mapstructure:"output"`
	// Tiers are the factors of service tiers, Regional that of endpoints that process
	// in one region, in percent.
	Tiers    map[string]int64 `mapstructure:"tiers"`
	Regional int              `mapstructure:"regional"`
	// LongOver is over how many input tokens the factors after it count.
	LongOver   int `mapstructure:"long_over"`
	LongInput  int `mapstructure:"long_input"`
	LongOutput int `mapstructure:"long_output"`
	// PerThousand is the price of a tool.
	PerThousand *jobs.Money `mapstructure:"per_thousand"`
}

// priceKeys returns the settings of the price called name.
func priceKeys(name string) []key {
	own := pricesKey + "." + name + "."
	percent := count(0, 10_000)
	return []key{
		{name: own + "input", kind: dollars(), private: true, doc: "Dollars for a million tokens of input."},
		{name: own + "cached_input", kind: dollars(), private: true, doc: "Dollars for a million of those that were read from the prompt cache."},
		{name: own + "cache_write", kind: dollars(), private: true, doc: "Dollars for a million of those that were written into it for half an hour."},
		{name: own + "cache_write_long", kind: dollars(), private: true, doc: "Dollars for a million of those that were written into it for twelve hours."},
		{name: own + "output", kind: dollars(), private: true, doc: "Dollars for a million tokens of output, reasoning included."},
		{name: own + "tiers", kind: factors(), private: true, doc: "Factors of service tiers in percent, all of them."},
		{name: own + "regional", fallback: "0", kind: percent, private: true, doc: "Factor at endpoints that process in one region in percent, 0 for the one that is known."},
		{name: own + "long_over", fallback: "0", kind: count(0, 1_000_000_000), private: true, doc: "Input tokens over which the next two factors count, 0 for what is known."},
		{name: own + "long_input", fallback: "0", kind: percent, private: true, doc: "Factor of all input of a longer request in percent."},
		{name: own + "long_output", fallback: "0", kind: percent, private: true, doc: "Factor of all output of a longer request in percent."},
		{name: own + "per_thousand", kind: dollars(), private: true, doc: "Dollars for a thousand calls; for a tool, and nothing else."},
	}
}

// dollars is an amount of money, or nothing.
func dollars() kind {
	return kind{
		name: "dollars", allowed: "dollars, such as 0.125, or empty",
		parse: func(text string) (any, error) {
			if text == "" {
				return (*jobs.Money)(nil), nil
			}
			m, err := jobs.ParseMoney(text)
			if err == nil && m < 0 {
				err = errors.New("is less than nothing; give 0 or more")
			}
			return &m, err
		},
		format: func(value any) string {
			m, _ := value.(*jobs.Money)
			if m == nil {
				return ""
			}
			return strings.TrimPrefix(m.String(), "$")
		},
		show: plainly,
	}
}

// factors are percentages by name.
func factors() kind {
	k := text("string", "TIER=PERCENT, with commas between them, or empty", nil)
	k.parse = func(text string) (any, error) {
		found := make(map[string]int64)
		for pair := range strings.SplitSeq(strings.ReplaceAll(text, " ", ""), ",") {
			if pair == "" {
				continue
			}
			tier, number, _ := strings.Cut(pair, "=")
			percent, err := strconv.ParseInt(number, 10, 32)
			if tier == "" || err != nil || percent < 0 {
				return nil, errors.New("is no list of factors; write for example default=100, flex=50, priority=200")
			}
			found[tier] = percent
		}
		return found, nil
	}
	k.format = func(value any) string {
		found, _ := value.(map[string]int64)
		var pairs []string
		for _, tier := range slices.Sorted(maps.Keys(found)) {
			pairs = append(pairs, tier+"="+strconv.FormatInt(found[tier], 10))
		}
		return strings.Join(pairs, ",")
	}
	return k
}

// pricedModel is the model, or the tool, and the day of a price.
func pricedModel(name string) (model string, from time.Time, err error) {
	model, day, dated := strings.Cut(name, "@")
	if dated {
		if from, err = time.Parse(time.DateOnly, day); err != nil {
			return "", from, errors.New("has something else than a day behind the @; write for example gpt-4.1@2026-12-01")
		}
	}
	if model == "" || len(model) > 128 || printable(model) != nil {
		return "", from, errors.New("is not the name of a model or a tool; write it as responses do, such as gpt-4.1, and perhaps @ and the day from which the price counts")
	}
	return model, from, nil
}

// readPrices reads the prices of one source.
func readPrices(r *sectionReader, tree sections) map[string]Price {
	r.valid = func(name string) error {
		_, _, err := pricedModel(name)
		return err
	}
	found := make(map[string]Price, len(tree))
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		get, ok := r.fields(name, tree[name], priceKeys(name))
		if !ok {
			continue
		}
		p := Price{}
		p.Model, p.From, _ = pricedModel(name) // it is valid
		p.Input, _ = get("input").(*jobs.Money)
		p.CachedInput, _ = get("cached_input").(*jobs.Money)
		p.CacheWrite, _ = get("cache_write").(*jobs.Money)
		p.CacheWriteLong, _ = get("cache_write_long").(*jobs.Money)
		p.Output, _ = get("output").(*jobs.Money)
		p.Tiers, _ = get("tiers").(map[string]int64)
		p.Regional, _ = get("regional").(int)
		p.LongOver, _ = get("long_over").(int)
		p.LongInput, _ = get("long_input").(int)
		p.LongOutput, _ = get("long_output").(int)
		p.PerThousand, _ = get("per_thousand").(*jobs.Money)
		switch model := p.Input != nil || p.CachedInput != nil || p.CacheWrite != nil || p.CacheWriteLong != nil || p.Output != nil ||
			len(p.Tiers) > 0 || p.Regional > 0 || p.LongOver > 0; {
		case model && p.PerThousand != nil:
			r.refuse(pricesKey+"."+name+".per_thousand", "", "is given beside the prices of a model; a tool has this one alone")
		case !model && p.PerThousand == nil:
			r.refuse(pricesKey+"."+name, "", "has no price; write for example input: 2 and output: 8 below it")
		}
		found[name] = p
	}
	return found
}
