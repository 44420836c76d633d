package results

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestNeeded(t *testing.T) {
	t.Parallel()
	const shared = `-- A page of it.
local base = KEYS[1]
local ONE, TWO = 1, 2

-- key names a key: not base alone.
local function key(id) return base .. id end

local function twice(id)
  -- unused is named here only
  return key(id) .. key(id)
end
local function unused() return TWO end
`
	for _, tt := range []struct{ script, want string }{
		{"return 1", ""},
		{"-- twice", ""},
		{"return ONE", "local ONE, TWO = 1, 2\n"},
		{"return key('a')", "local base = KEYS[1]\nlocal function key(id) return base .. id end\n"},
		{
			"return twice('a')",
			"local base = KEYS[1]\nlocal function key(id) return base .. id end\n" +
				"local function twice(id)\n  return key(id) .. key(id)\nend\n",
		},
	} {
		if got := needed(definitionsOf(shared), tt.script); got != tt.want {
			t.Errorf("%q needs\n%s\nwant\n%s", tt.script, got, tt.want)
		}
	}
}

// Each shared name is of use to some script, and is taken for one: nothing else begins
// a line with "local".
func TestSharedNames(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(sources, "lua/*.lua")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		all.WriteString(source(t, file))
	}
	for _, file := range []string{"lua/common.lua", "lua/rates.lua", "lua/budget.lua", "lua/batch.lua"} {
		shared := source(t, file)
		if n, want := len(definitionsOf(shared)), len(regexp.MustCompile(`(?m)^local `).FindAllString(shared, -1)); n != want {
			t.Errorf("%s: %d definitions, but %d lines begin with one", file, n, want)
		}
		for _, d := range definitionsOf(shared) {
			for _, name := range d.names {
				if uses := regexp.MustCompile(`\b`+name+`\b`).FindAllString(all.String(), -1); len(uses) < 2 {
					t.Errorf("%s: nothing uses %s", file, name)
				}
			}
			if len(d.names) == 0 || slices.Contains(d.names, "") {
				t.Errorf("%s: %q defines nothing", file, d.lines)
			}
		}
	}
}

func source(t *testing.T, file string) string {
	t.Helper()
	b, err := sources.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
