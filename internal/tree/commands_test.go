package tree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// helpFunc returns what a command of this repository prints when it is called
// with these words and --help.
type helpFunc func(name string, words []string) (string, error)

// shown is a command that a page shows.
type shown struct {
	at    string
	words []string
}

var (
	makeTarget = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
	assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

func TestShownCommandsExist(t *testing.T) {
	t.Parallel()
	help := builtCommands(t)
	checkTree(t, func(fsys fs.FS) ([]string, error) { return wrongCommands(fsys, help) })
}

// builtCommands compiles the commands once.
func builtCommands(t *testing.T) helpFunc {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin+string(filepath.Separator), "./cmd/...")
	build.Dir = root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	known := map[string]string{}
	return func(name string, words []string) (string, error) {
		key := name + " " + strings.Join(words, " ")
		if text, ok := known[key]; ok {
			return text, nil
		}
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), append(slices.Clone(words), "--help")...)
		cmd.Env = []string{"HOME=" + bin, "PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if exit, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
			return "", err
		} else if failed {
			return "", fmt.Errorf("%s --help: %w\n%s", strings.TrimSpace(key), exit, out)
		}
		known[key] = string(out)
		return known[key], nil
	}
}

// wrongCommands finds what pages show and nobody can run: make targets,
// folders, subcommands and flags that do not exist.
func wrongCommands(fsys fs.FS, help helpFunc) ([]string, error) {
	makefile, err := fs.ReadFile(fsys, "Makefile")
	if err != nil {
		return nil, err
	}
	targets := map[string]bool{}
	for _, m := range makeTarget.FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	commands, err := shownCommands(fsys)
	if err != nil {
		return nil, err
	}
	var findings []string
	if !slices.ContainsFunc(commands, func(c shown) bool { return strings.HasPrefix(c.at, "README.md:") }) {
		findings = append(findings, "README.md: shows no command")
	}
	for _, c := range commands {
		wrong := wrongArguments(fsys, c.words, targets)
		if name, args, ok := invocation(fsys, c.words); ok {
			usage, err := wrongUsage(name, args, help)
			if err != nil {
				return nil, err
			}
			wrong = append(wrong, usage...)
		}
		for _, w := range wrong {
			findings = append(findings, c.at+": "+w)
		}
	}
	return findings, nil
}

// shownCommands returns the commands in the fences of all pages. In a fence of
// a session, only the lines with a prompt are commands.
func shownCommands(fsys fs.FS) ([]shown, error) {
	all, err := pages(fsys)
	if err != nil {
		return nil, err
	}
	var commands []shown
	for _, p := range all {
		for _, f := range p.fences {
			script := f.text
			switch f.language {
			case "sh", "bash", "shell":
			case "console":
				script = typed(script)
			default:
				continue
			}
			for _, c := range shellCommands(script) {
				words := c.words
				for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "time" || words[0] == "sudo") {
					words = words[1:]
				}
				if len(words) > 0 {
					commands = append(commands, shown{at: fmt.Sprintf("%s:%d", p.path, f.line+c.line), words: words})
				}
			}
		}
	}
	return commands, nil
}

// typed blanks the lines of a session that are output.
func typed(session string) string {
	lines := strings.Split(session, "\n")
	continued := false
	for i, line := range lines {
		input, prompted := strings.CutPrefix(line, "$ ")
		switch {
		case prompted:
			lines[i] = input
		case !continued:
			lines[i] = ""
		}
		continued = strings.HasSuffix(lines[i], "\\")
	}
	return strings.Join(lines, "\n")
}

// wrongArguments checks make's targets and the folders given to go.
func wrongArguments(fsys fs.FS, words []string, targets map[string]bool) []string {
	var wrong []string
	for _, word := range words[1:] {
		switch {
		case strings.HasPrefix(word, "-") || assignment.MatchString(word):
		case words[0] == "make" && !targets[word]:
			wrong = append(wrong, fmt.Sprintf("make has no target %q", word))
		case words[0] == "go" && strings.HasPrefix(word, "./"):
			dir := strings.TrimSuffix(strings.TrimPrefix(word, "./"), "...")
			if dir = strings.TrimSuffix(dir, "/"); dir == "" {
				dir = "."
			}
			if info, err := fs.Stat(fsys, dir); err != nil || !info.IsDir() {
				wrong = append(wrong, "there is no folder "+word)
			}
		}
	}
	return wrong
}

// invocation tells which of our commands is called, and how: through go run,
// from bin, or by its name.
func invocation(fsys fs.FS, words []string) (name string, args []string, ok bool) {
	first := words[0]
	if first == "go" && len(words) > 1 && words[1] == "run" {
		i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "./cmd/") })
		if i < 0 {
			return "", nil, false
		}
		first, words = strings.TrimPrefix(words[i], "./cmd/"), words[i:]
	}
	first = strings.TrimPrefix(strings.TrimPrefix(first, "./"), "bin/")
	if _, err := fs.Stat(fsys, "cmd/"+first); err != nil || strings.Contains(first, "/") {
		return "", nil, false
	}
	return first, words[1:], true
}

// wrongUsage checks subcommands and flags against what the command's own help
// says. A word is a subcommand if help with it differs from help without.
func wrongUsage(name string, args []string, help helpFunc) ([]string, error) {
	text, err := help(name, nil)
	if err != nil {
		return nil, err
	}
	var sub, flags []string
	leaf := false // from here on, words are arguments
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if len(arg) > 1 && arg[0] == '-' {
			flag, _, _ := strings.Cut(arg, "=")
			flags = append(flags, flag)
			continue
		}
		valueOfFlag := i > 0 && strings.HasPrefix(args[i-1], "-") && !strings.Contains(args[i-1], "=")
		if leaf {
			continue
		}
		below, err := help(name, append(slices.Clone(sub), arg))
		switch {
		case err == nil && below != text:
			sub, text = append(sub, arg), below
		case valueOfFlag:
		case len(sub) == 0:
			return []string{fmt.Sprintf("%s has no subcommand %q", name, arg)}, nil
		default:
			leaf = true
		}
	}
	var wrong []string
	for _, flag := range flags {
		mentioned := regexp.MustCompile(`(?m)(^|[\s,\[(|])` + regexp.QuoteMeta(flag) + `([\s,=\])|]|$)`)
		if !mentioned.MatchString(text) {
			wrong = append(wrong, fmt.Sprintf("the help of %s does not mention %s", strings.Join(append([]string{name}, sub...), " "), flag))
		}
	}
	return wrong, nil
}

func TestWrongCommandsAreFound(t *testing.T) {
	t.Parallel()
	help := func(name string, words []string) (string, error) {
		switch {
		case name == "enqueue" && len(words) > 0 && words[0] == "submit":
			return "Usage: enqueue submit\n  -f, --file string   a file\n      --wait=false\n", nil
		case name == "enqueue":
			return "Usage: enqueue [command]\n", nil
		default:
			return "", fmt.Errorf("unexpected command %s", name)
		}
	}
	got, err := wrongCommands(plant(map[string]string{
		"Makefile":            ".PHONY: test\ntest: deps\n\ttrue\ndeps:\n",
		"cmd/enqueue/main.go": "package main\n",
		"README.md": "```sh\nmake test V=1 -j2\nmake tests\ngo test ./cmd/... ./gone/...\nKEY=1 go run ./cmd/enqueue submit --file x.json -f y --wait\n" +
			"id=$(bin/enqueue submit --fil x)\nenqueue sumbit\nenqueue submit x -- --later\ngo run ./cmd/gone\nls --whatever\n```\n",
		"docs/a.md": "```console\n$ make this \\\n  that\nmake output\n```\n\n```text\nmake text\n```\n",
	}), help)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`README.md:3: make has no target "tests"`,
		`README.md:4: there is no folder ./gone/...`,
		`README.md:6: the help of enqueue submit does not mention --fil`,
		`README.md:7: enqueue has no subcommand "sumbit"`,
		`README.md:9: there is no folder ./cmd/gone`,
		`docs/a.md:2: make has no target "this"`,
		`docs/a.md:2: make has no target "that"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
