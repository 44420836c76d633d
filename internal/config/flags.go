package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// fileFlag is the flag that names the file.
const fileFlag = "config"

// flagValue holds what was given for a key. It takes any text: values are
// checked by [Load], all at once and with those of the other sources.
type flagValue struct {
	kind string
	text string
}

var _ pflag.Value = (*flagValue)(nil)

func (v *flagValue) String() string { return v.text }
func (v *flagValue) Type() string   { return v.kind }
func (v *flagValue) Set(text string) error {
	v.text = text
	return nil
}

// AddFlags registers --config and the flags of the keys in the named groups,
// such as "redis" or "openai"; without a name, those of all groups. [Load]
// reads them from the same set. A group that does not exist is a mistake of the
// program and panics.
func AddFlags(fs *pflag.FlagSet, groups ...string) {
	table := keys()
	for _, group := range groups {
		if !slices.ContainsFunc(table, func(k key) bool { return k.group() == group }) {
			panic(fmt.Sprintf("config: AddFlags: there is no group %q", group))
		}
	}
	if fs.Lookup(fileFlag) == nil {
		fs.Var(&flagValue{kind: "file"}, fileFlag, "YAML, TOML or JSON file with settings (default "+defaultFile+" if there is one)")
	}
	for _, k := range table {
		if k.flag() == "" || len(groups) > 0 && !slices.Contains(groups, k.group()) {
			continue
		}
		fs.Var(&flagValue{kind: k.kind.name, text: k.fallback}, k.flag(), strings.TrimSuffix(k.doc, "."))
		if k.kind.name == toggleName {
			fs.Lookup(k.flag()).NoOptDefVal = "true" // the flag alone switches on
		}
	}
}

// flagText returns what was given with the flag, and false if it was not given.
// A flag of the same name that somebody else registered is not ours to read.
func flagText(fs *pflag.FlagSet, name string) (string, bool) {
	if fs == nil || name == "" {
		return "", false
	}
	f := fs.Lookup(name)
	if f == nil || !f.Changed {
		return "", false
	}
	v, ours := f.Value.(*flagValue)
	if !ours {
		return "", false
	}
	return v.text, true
}
