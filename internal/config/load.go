package config

import (
	"fmt"
	"os"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// sourceDefault is the source of what nobody gave.
const sourceDefault = "default"

// Sources are where values come from. The zero value reads the environment of
// the process and longhaul.yaml in the working directory, if it is there.
type Sources struct {
	// Flags holds the flags that [AddFlags] registered, parsed. Nil means none.
	Flags *pflag.FlagSet
	// File is the file to read instead of the one that --config or
	// LONGHAUL_CONFIG names.
	File string
	// Environ is "NAME=value" pairs; nil means those of the process.
	Environ []string
}

// Load returns the configuration. For each key the first of these counts: its
// flag, its LONGHAUL_ variable, the file, OpenAI's own variable where there is
// one, and the default. If anything is wrong the error is an [*Error] with all
// the problems, and the configuration must not be used.
func Load(s Sources) (Config, error) {
	if s.Environ == nil {
		s.Environ = os.Environ()
	}
	l := &loader{
		keys: keys(), viper: viper.New(), env: newEnvironment(s.Environ), flags: s.Flags,
		sources: make(map[string]string), invalid: make(map[string]bool),
	}
	named, _ := flagText(s.Flags, fileFlag)
	f := readFile(findFile(s.File, named, l.env[envFile]), l.keys)
	l.problems = append(f.problems, l.env.unknown(l.keys)...)
	if err := l.collect(f); err != nil {
		return Config{}, err
	}
	if err := l.parse(); err != nil {
		return Config{}, err
	}
	return l.config()
}

// loader gathers the values of one [Load].
type loader struct {
	keys  []key
	env   environment
	flags *pflag.FlagSet
	// viper holds the layers, one above the other, and at last the parsed values.
	viper *viper.Viper
	// sources says, by key, which layer is uppermost.
	sources  map[string]string
	problems []Problem
	// invalid marks the keys with a problem, which have their default instead.
	invalid map[string]bool
}

// collect puts the layers into viper, from the lowest to the uppermost.
func (l *loader) collect(f *file) error {
	for _, k := range l.keys {
		l.viper.SetDefault(k.name, k.fallback)
		l.sources[k.name] = sourceDefault
		if text := l.env[k.alias]; k.alias != "" && text != "" {
			l.viper.SetDefault(k.name, text)
			l.sources[k.name] = "environment " + k.alias
		}
	}
	if err := l.viper.MergeConfigMap(f.tree()); err != nil {
		return fmt.Errorf("merge %s: %w", f.source(), err)
	}
	for name := range f.values {
		l.sources[name] = f.source()
	}
	for _, k := range l.keys {
		var g given
		if text, ok := l.env[k.env()]; ok {
			g = given{key: k.name, text: text}
			l.sources[k.name] = "environment " + k.env()
		}
		if text, ok := flagText(l.flags, k.flag()); ok {
			g = given{key: k.name, text: text}
			l.sources[k.name] = "flag --" + k.flag()
		}
		if g.key == "" {
			continue
		}
		if err := l.viper.BindFlagValue(k.name, g); err != nil {
			return fmt.Errorf("set %s: %w", k.name, err)
		}
	}
	return nil
}

// given is a value of a flag or a variable, in the shape in which viper takes
// flags. Variables go the same way because viper reads those of the process and
// no others, takes an empty one for none, and hides from Unmarshal those whose
// key appears nowhere else.
type given struct {
	key  string
	text string
}

var _ viper.FlagValue = given{}

func (g given) HasChanged() bool    { return true }
func (g given) Name() string        { return g.key }
func (g given) ValueString() string { return g.text }
func (g given) ValueType() string   { return "string" }

// parse replaces each value in viper by the parsed one, or by the parsed default
// where that fails, so that the remaining checks can still be made.
func (l *loader) parse() error {
	for _, k := range l.keys {
		raw := l.viper.Get(k.name)
		value, shown, err := k.parse(raw)
		if err != nil {
			l.refuse(Problem{Key: k.name, Source: l.sources[k.name], Value: shown, Message: err.Error()})
			if value, _, err = k.parse(k.fallback); err != nil {
				return fmt.Errorf("default of %s %w", k.name, err)
			}
		}
		if tree, ok := value.(sections); ok {
			value = l.read(k, tree)
		}
		l.viper.Set(k.name, value)
	}
	return nil
}

// read reads what has names. The keys of openai come before it in the table, and
// are parsed.
func (l *loader) read(k key, tree sections) any {
	reader := sectionReader{key: k.name, source: l.sources[k.name], sources: l.sources}
	first := l.viper.GetString("openai.endpoint")
	if k.name == lanesKey {
		reader.thing, reader.example = "lane", `"concurrency" and "window"`
		r := laneReader{sectionReader: reader, endpoint: first}
		lanes := r.read(tree)
		l.problems = append(l.problems, r.problems...)
		return lanes
	}
	if k.name == pricesKey {
		reader.thing, reader.example = "price", `"input", "output" and what else is known`
		found := readPrices(&reader, tree)
		l.problems = append(l.problems, reader.problems...)
		return found
	}
	if k.name == budgetsKey {
		reader.thing, reader.example = "budget", `"amount" and what it is for`
		found := readBudgets(&reader, tree)
		l.problems = append(l.problems, reader.problems...)
		return found
	}
	reader.thing, reader.example = "endpoint", `"api_key_env" and what else differs from openai`
	r := endpointReader{sectionReader: reader, env: l.env, first: first, shared: l.written}
	endpoints := r.read(tree)
	l.problems = append(l.problems, r.problems...)
	return endpoints
}

// written returns a parsed value of openai.* as it would be written.
func (l *loader) written(leaf string) string {
	for _, k := range l.keys {
		if k.name == "openai."+leaf {
			return k.kind.format(l.viper.Get(k.name))
		}
	}
	return ""
}

// config puts the parsed values into a [Config] and checks them together. That
// the table and the struct have the same fields is checked here as well, in
// both directions.
func (l *loader) config() (Config, error) {
	c := Config{sources: l.sources}
	exact := func(d *mapstructure.DecoderConfig) {
		d.DecodeHook, d.WeaklyTypedInput = nil, false
		d.ErrorUnset, d.IgnoreUntaggedFields = true, true
	}
	if err := l.viper.UnmarshalExact(&c, exact); err != nil {
		return Config{}, fmt.Errorf("fill the configuration: %w", err)
	}
	l.checkTogether(c)
	l.checkEndpoints(c)
	if len(l.problems) > 0 {
		return Config{}, &Error{Problems: l.problems}
	}
	return c, nil
}

func (l *loader) refuse(p Problem) {
	l.problems = append(l.problems, p)
	l.invalid[p.Key] = true
}

// parse returns the value of the key in the type of its field. If it is not
// valid, shown is as much of it as may be seen, quoted.
func (k key) parse(raw any) (value any, shown string, err error) {
	if tree, ok := raw.(sections); ok {
		return tree, "", nil
	}
	text, err := k.kind.scalar(raw)
	if err == nil {
		value, err = k.kind.parse(text)
	}
	if err == nil {
		return value, "", nil
	}
	if _, isText := raw.(string); !isText && text == "" {
		return nil, "", err // a list or a section: there is no short way to show it
	}
	if shown = k.kind.show(text); shown != redacted {
		shown = quote(shown)
	}
	return nil, shown, err
}
