package config

import (
	"maps"
	"slices"
	"strconv"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Budget is how much may be spent on what in which time.
type Budget struct {
	Amount *jobs.Money `mapstructure:"amount"`
	// Per is day, month or total.
	Per string `mapstructure:"per"`
	// Lane, Tenant, Group and Model say on what; "" is all.
	Lane   string `mapstructure:"lane"`
	Tenant string `mapstructure:"tenant"`
	Group  string `mapstructure:"group"`
	Model  string `mapstructure:"model"`
	// UnknownPrice is what becomes of a job whose price is not known: refuse or allow.
	UnknownPrice string `mapstructure:"unknown_price"`
}

// maxBudget is the largest amount that can be counted exactly everywhere.
const maxBudget = 9_000_000 * jobs.Dollar

// budgetKeys returns the settings of the budget called name.
func budgetKeys(name string) []key {
	own := budgetsKey + "." + name + "."
	return []key{
		{name: own + "amount", kind: dollars(), private: true, doc: "Dollars that may be spent; no more is sent than there is room for."},
		{name: own + "per", fallback: "month", kind: choice("day", "month", "total"), private: true, doc: "What the amount is for: a day or a month in UTC, or all that the ledger knows."},
		{name: own + "lane", kind: maybeName(), private: true, doc: "Only jobs of this lane are paid from it."},
		{name: own + "tenant", kind: maybeName(), private: true, doc: "Only jobs of this tenant are."},
		{name: own + "group", kind: maybeName(), private: true, doc: "Only jobs of this group are."},
		{name: own + "model", kind: header("a model as requests name it, * for any part, or empty"), private: true, doc: "Only jobs that ask for this model are."},
		{name: own + "unknown_price", fallback: "refuse", kind: choice("refuse", "allow"), private: true, doc: "What becomes of a job whose price is not known: it waits, or it goes and counts nothing."},
	}
}

// readBudgets reads the budgets of one source.
func readBudgets(r *sectionReader, tree sections) map[string]Budget {
	found := make(map[string]Budget, len(tree))
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		get, ok := r.fields(name, tree[name], budgetKeys(name))
		if !ok {
			continue
		}
		var b Budget
		b.Amount, _ = get("amount").(*jobs.Money)
		b.Per, _ = get("per").(string)
		b.Lane, _ = get("lane").(string)
		b.Tenant, _ = get("tenant").(string)
		b.Group, _ = get("group").(string)
		b.Model, _ = get("model").(string)
		b.UnknownPrice, _ = get("unknown_price").(string)
		fields, _ := section(tree[name])
		given := fields["amount"] != nil && fields["amount"] != ""
		switch amount := budgetsKey + "." + name + ".amount"; {
		case b.Amount == nil && given: // and said already
		case b.Amount == nil:
			r.refuse(amount, "", "is not given; write for example amount: 50.00")
		case *b.Amount > maxBudget:
			r.refuse(amount, quote(dollars().format(b.Amount)), "is more than "+strconv.FormatInt(int64(maxBudget/jobs.Dollar), 10)+" dollars; leave the budget out if there is to be no bound")
		}
		found[name] = b
	}
	return found
}

// maybeName is a name or nothing.
func maybeName() kind {
	return text("name", "a name, or empty for all", func(text string) error {
		if text == "" {
			return nil
		}
		_, err := name().parse(text)
		return err
	})
}
