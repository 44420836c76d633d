package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/viper"
)

// defaultFile is read if it exists and no other file is named.
const defaultFile = "longhaul.yaml"

// file is what a configuration file says.
type file struct {
	path string
	// values are the known keys by name, not yet parsed.
	values   map[string]any
	problems []Problem
}

// readFile reads the file at path, or nothing if path is empty. Only keys of
// the table get into its values; everything else is a problem.
func readFile(path string, table []key) *file {
	f := &file{path: path, values: make(map[string]any)}
	if path == "" {
		return f
	}
	tree, err := decodeFile(path)
	if err != nil {
		f.refuse("", err.Error())
		return f
	}
	f.walk("", tree, table)
	return f
}

// findFile returns the path of the file to read: the first that is named, else
// the one in the working directory if there is one, else "".
func findFile(named ...string) string {
	for _, path := range named {
		if path != "" {
			return path
		}
	}
	if _, err := os.Lstat(defaultFile); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return defaultFile
}

// decodeFile returns the tree in the file. Its errors name neither the path,
// which the source of the problem does, nor any content.
func decodeFile(path string) (map[string]any, error) {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if !slices.Contains([]string{"yaml", "yml", "toml", "json"}, format) {
		return nil, errors.New("has a name that says no format; let it end in .yaml, .toml or .json")
	}
	content, err := os.ReadFile(path) //nolint:gosec // reading the file that the operator names is the purpose
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, errors.New("cannot be read: " + err.Error())
	}
	decoder, err := viper.NewCodecRegistry().Decoder(format)
	if err != nil {
		return nil, errors.New("cannot be read: " + err.Error())
	}
	tree := make(map[string]any)
	if err := decoder.Decode(content, tree); err != nil {
		return nil, errors.New("is not valid " + strings.ToUpper(format) + line(err, content) + ": " + withoutContent(err))
	}
	return tree, nil
}

// line returns where a decoder stopped, for those that do not say so in the text
// of their error.
func line(err error, content []byte) string {
	type positioned interface {
		error
		Position() (row, column int)
	}
	if e, ok := errors.AsType[positioned](err); ok { // TOML
		row, _ := e.Position()
		return " in line " + strconv.Itoa(row)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		end := min(int(e.Offset), len(content))
		return " in line " + strconv.Itoa(1+bytes.Count(content[:end], []byte("\n")))
	}
	return ""
}

// withoutContent returns what a decoder complains about, without the parts that
// it quotes from the file: a file may hold a key to the account.
func withoutContent(err error) string {
	quoted := regexp.MustCompile("`[^`]*`|'[^']*'|\"[^\"]*\"")
	return strings.Join(strings.Fields(quoted.ReplaceAllString(err.Error(), "...")), " ")
}

// walk takes the leaves of a part of the tree over into f.values. prefix is the
// part's name with a dot, or empty.
func (f *file) walk(prefix string, tree map[string]any, table []key) {
	for _, own := range slices.Sorted(maps.Keys(tree)) {
		name, raw := prefix+own, tree[own]
		fields, isSection := section(raw)
		switch {
		case slices.Contains(sectional(), name) && !isSection:
			f.refuse(name, "is not a section; write the name of each "+strings.TrimSuffix(name, "s")+" below it")
		case slices.Contains(sectional(), name):
			f.values[name] = sections(fields)
		case slices.ContainsFunc(table, func(k key) bool { return k.name == name }):
			f.leaf(prefix, own, raw)
		case slices.ContainsFunc(table, func(k key) bool { return k.group() == name }):
			if !isSection {
				f.refuse(name, "is a section, not a value; write its keys below it, indented")
			}
			f.walk(name+".", fields, table)
		case len(fields) > 0: // an unknown section: name each key that it hides
			f.walk(name+".", fields, table)
		default:
			f.refuse(name, unknown(name, names(table)))
		}
	}
}

// leaf takes one value over.
func (f *file) leaf(prefix, own string, raw any) {
	name := prefix + own
	if group, leaf, nested := strings.Cut(own, "."); nested {
		f.refuse(name, "is written in one piece; write "+leaf+" in the section "+group)
		return
	}
	if raw == nil {
		f.refuse(name, "has no value; give one, or remove the line to have the default")
		return
	}
	f.values[name] = raw
}

// tree returns the values as viper wants them, in sections.
func (f *file) tree() map[string]any {
	tree := make(map[string]any)
	for name, raw := range f.values {
		group, leaf, nested := strings.Cut(name, ".")
		if !nested {
			tree[group] = raw
			continue
		}
		fields, ok := tree[group].(map[string]any)
		if !ok {
			fields = make(map[string]any)
			tree[group] = fields
		}
		fields[leaf] = raw
	}
	return tree
}

func (f *file) refuse(name, message string) {
	f.problems = append(f.problems, Problem{Key: name, Source: f.source(), Message: message})
}

func (f *file) source() string { return "file " + f.path }
