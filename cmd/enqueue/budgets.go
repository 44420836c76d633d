package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func (c *cli) budgetsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "budgets",
		Short: "Show how budgets stand, and set them",
		Long: `budgets shows how much of each budget is spent, held for what is under way, and left,
and how many jobs wait for room in it. One that was set at run time is marked with *.
With ? behind it, a part of what is spent is in doubt: the provider did not say what a
response used that failed or was cancelled, or whether it took a create.`,
		Args: noArguments,
		RunE: c.elsewhere(func(ctx context.Context, cfg config.Config, _ []string) error {
			return c.toRead(ctx, cfg, func(s *session) error {
				budgets, err := s.Budgets(ctx, app.Budgets(cfg))
				if err != nil {
					return err
				}
				if c.json {
					for _, b := range budgets {
						if err := c.print(b); err != nil {
							return err
						}
					}
					return nil
				}
				if len(budgets) == 0 {
					return printLine(c.stdout, "no budgets; `enqueue budgets set NAME --amount 50` sets one")
				}
				return writeBudgets(c.stdout, budgets)
			})
		}),
	}
	cmd.AddCommand(c.setBudgetCommand(), c.unsetBudgetCommand())
	return cmd
}

func writeBudgets(w io.Writer, budgets []client.Budget) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(columns, "BUDGET\tOF\tPERIOD\tAMOUNT\tSPENT\tHELD\tLEFT\tWAITING\n") // Flush reports what fails
	for _, b := range budgets {
		amount, left := "any", "any"
		if n, bounded := b.Left(); bounded {
			amount, left = b.Amount.String(), n.String()
		}
		name, spent := b.Name, b.Spent.String()
		if b.Set {
			name += "*"
		}
		if b.Doubt > 0 {
			spent += "?"
		}
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, coverOf(b.Budget), b.Period, amount, spent, b.Held, left, formatCount(int64(b.Waiting)))
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// coverOf shows what is paid from a budget.
func coverOf(b results.Budget) string {
	var parts []string
	for _, part := range [][2]string{{"lane", b.Lane}, {"tenant", b.Tenant}, {"group", b.Group}, {"model", b.Model}} {
		if part[1] != "" {
			parts = append(parts, part[0]+" "+part[1])
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "all")
}

// anyAmount is the amount of a budget without bound.
const anyAmount = "any"

func (c *cli) setBudgetCommand() *cobra.Command {
	var amount, per, lane, tenant, group, model, unknown string
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Set a budget, or change one, for all workers",
		Long: `set changes a budget, or sets a new one, for all workers and within a second. What is
not given stays as it is. It counts before one of the same name in the configuration,
until "enqueue budgets unset". Jobs that wait for room go on as far as there is some.`,
		Example: `  enqueue budgets set november --amount 200 --per month
  enqueue budgets set acme --amount 5 --per day --tenant acme
  enqueue budgets set november --amount any`,
		Args: oneBudget,
	}
	fs := cmd.Flags()
	fs.StringVar(&amount, "amount", "", "dollars that may be spent, or any")
	fs.StringVar(&per, "per", results.PerMonth, "what the amount is for: day, month (in UTC), or total")
	fs.StringVar(&lane, "lane", "", "only jobs of this lane are paid from it")
	fs.StringVar(&tenant, "tenant", "", "only jobs of this tenant are")
	fs.StringVar(&group, "group", "", "only jobs of this group are")
	fs.StringVar(&model, "model", "", "only jobs that ask for this model are, * for any part of its name")
	fs.StringVar(&unknown, "unknown-price", results.UnknownRefuse, "what becomes of a job without a known price: refuse or allow")
	fs.SortFlags = false
	run := func(ctx context.Context, cfg config.Config, args []string) error {
		for _, flag := range []string{"amount", "per", "lane", "tenant", "group", "model", "unknown-price"} {
			if fs.Changed(flag) && fs.Lookup(flag).Value.String() == "" {
				return jobs.Invalid(flag, "is empty; leave it out for what there is, or unset the budget and set it anew")
			}
		}
		return c.withSession(ctx, cfg, func(s *session) error {
			name := args[0]
			budgets, err := s.Budgets(ctx, app.Budgets(cfg))
			if err != nil {
				return err
			}
			b := results.Budget{Per: per, Unknown: unknown}
			i := slices.IndexFunc(budgets, func(b client.Budget) bool { return b.Name == name })
			if i >= 0 {
				b = budgets[i].Budget
			} else if amount == "" {
				return jobs.Invalid("amount", "is not given, and there is no budget %s yet; write for example --amount 50", name)
			}
			for flag, field := range map[string]struct {
				to   *string
				from string
			}{
				"per": {&b.Per, per}, "lane": {&b.Lane, lane}, "tenant": {&b.Tenant, tenant}, "group": {&b.Group, group},
				"model": {&b.Model, model}, "unknown-price": {&b.Unknown, unknown},
			} {
				if fs.Changed(flag) {
					*field.to = field.from
				}
			}
			switch amount {
			case "":
			case anyAmount:
				b.Amount = nil
			default:
				m, err := jobs.ParseMoney(amount)
				if err != nil {
					return jobs.Invalid("amount", "%q %v, of at most %s, or any", amount, err, results.MaxBudget)
				}
				b.Amount = &m
			}
			if err := s.SetBudget(ctx, name, b); err != nil {
				return err
			}
			c.doubtLane(ctx, s, b.Lane, "nothing is paid from the budget until one does")
			return c.printBudget(ctx, s, cfg, name)
		})
	}
	cmd.RunE = c.elsewhere(run)
	return cmd
}

// printBudget shows one budget as it stands now.
func (c *cli) printBudget(ctx context.Context, s *session, cfg config.Config, name string) error {
	budgets, err := s.Budgets(ctx, app.Budgets(cfg))
	if err != nil {
		return err
	}
	budgets = slices.DeleteFunc(budgets, func(b client.Budget) bool { return b.Name != name })
	if c.json && len(budgets) == 1 {
		return c.print(budgets[0])
	}
	return writeBudgets(c.stdout, budgets)
}

func (c *cli) unsetBudgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unset NAME",
		Short: "Take a budget back that was set at run time",
		Long: `unset takes back what was set at run time: a budget of the configuration counts again
as it is there, and any other is no more. Jobs that wait for it go on as far as that
lets them.`,
		Example: `  enqueue budgets unset november`,
		Args:    oneBudget,
		RunE: c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
			return c.withSession(ctx, cfg, func(s *session) error {
				name := args[0]
				was, err := s.UnsetBudget(ctx, name)
				switch {
				case err != nil:
					return err
				case !was && app.Budgets(cfg)[name] != (results.Budget{}):
					return usage("%s is a budget of the configuration and was not set at run time; change it there, or have it bound nothing with `enqueue budgets set %s --amount any`", name, name)
				case !was:
					return usage("no budget %s was set at run time; `enqueue budgets` shows those that there are", name)
				case c.json:
					return c.print(map[string]string{"budget": name, "is": "unset"})
				}
				return printLine(c.stdout, "%s  unset", name)
			})
		}),
	}
}

func oneBudget(_ *cobra.Command, args []string) error {
	switch {
	case len(args) != 1:
		return errors.New("name one budget; `enqueue budgets` shows them")
	case !jobs.ValidName(args[0]):
		return fmt.Errorf("%q is not a name of a budget; %s", args[0], jobs.NameRule)
	}
	return nil
}
