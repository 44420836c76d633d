package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// hintFlag is a flag in a text.
var hintFlag = regexp.MustCompile(`^[("'` + "`" + `]*--([a-z][a-z0-9-]*)`)

// hasFlag reports whether a command knows a flag.
func hasFlag(cmd *cobra.Command, name string) bool {
	return name == "help" || cmd.Flags().Lookup(name) != nil || cmd.InheritedFlags().Lookup(name) != nil
}

// wrongHints are the flags in a text that nobody can give: behind "enqueue" and the words of a
// command, or right behind the name of one, they are that one's, and else those of any.
func wrongHints(root *cobra.Command, text string) []string {
	var wrong []string
	for _, clause := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("`;:()\n", r) }) {
		var of *cobra.Command
		words := strings.Fields(clause)
		for i, word := range words {
			m := hintFlag.FindStringSubmatch(word)
			switch below := subcommand(of, word); {
			case m != nil && of != nil && !hasFlag(of, m[1]):
				wrong = append(wrong, of.CommandPath()+" has no --"+m[1])
			case m != nil && of == nil && !slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return anyHasFlag(c, m[1]) }):
				wrong = append(wrong, "nothing has --"+m[1])
			case m != nil:
			case word == root.Name():
				of = root
			case below != nil:
				of = below
			case i > 0 && strings.HasPrefix(words[i-1], "--"): // the value of a flag
			case i+1 < len(words) && strings.HasPrefix(words[i+1], "--") && subcommand(root, word) != nil:
				of = subcommand(root, word)
			}
			if strings.HasSuffix(word, ".") || strings.HasSuffix(word, ",") {
				of = nil // what follows is about something else
			}
		}
	}
	return wrong
}

// subcommand is the command of a name below another one, nil if there is none.
func subcommand(of *cobra.Command, name string) *cobra.Command {
	if of == nil {
		return nil
	}
	i := slices.IndexFunc(of.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
	if i < 0 {
		return nil
	}
	return of.Commands()[i]
}

func anyHasFlag(cmd *cobra.Command, name string) bool {
	return hasFlag(cmd, name) || slices.ContainsFunc(cmd.Commands(), func(c *cobra.Command) bool { return anyHasFlag(c, name) })
}

// What is said to people names no flag that does not exist, or that another command has than
// the one that it names.
func TestHintsNameFlagsThatExist(t *testing.T) {
	t.Parallel()
	root := (&cli{}).root()
	flags := 0
	for _, dir := range []string{".", "../../client"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				flags += strings.Count(text, "--")
				for _, wrong := range wrongHints(root, text) {
					t.Errorf("%s: %s", fset.Position(literal.Pos()), wrong)
				}
				return true
			})
		}
	}
	if flags < 100 {
		t.Errorf("there are %d flags in all texts: they are looked for in the wrong place", flags)
	}
}

func TestWrongHintsAreFound(t *testing.T) {
	t.Parallel()
	root := (&cli{}).root()
	for text, want := range map[string][]string{
		"it is not tried again unless enqueue retry %s or summarize --force asks for it": nil,
		"`enqueue budgets set %s --amount DOLLARS` has them go on":                       nil,
		"enqueue runs lists them. With --budget the workers send nothing more":           nil,
		"enqueue run contracts --once --json":                                            nil,
		"--forc asks again":                                                              {"nothing has --forc"},
		"run --force asks again":                                                         {"enqueue run has no --force"},
		"`enqueue run %s --force` asks again":                                            {"enqueue run has no --force"},
		"`enqueue budgets unset %s --amount 5` sets it":                                  {"enqueue budgets unset has no --amount"},
		"say (--group) which, or `enqueue list --hold` it":                               {"enqueue list has no --hold"},
	} {
		if got := wrongHints(root, text); !slices.Equal(got, want) {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

// Without a Redis only those are sent to --dev whom it helps.
func TestAdviceWithoutRedisFitsTheCommand(t *testing.T) {
	t.Parallel()
	for command, helps := range map[string]bool{"submit --input x": true, "runs": false, "run contracts": false} {
		got := call(t.Context(), estimating(), "", strings.Fields(command)...).want(t, 1)
		if got.says(t, "--redis-url names another one"); strings.Contains(got.stderr, "--dev") != helps {
			t.Errorf("%s says\n%s", command, got.stderr)
		}
	}
}
