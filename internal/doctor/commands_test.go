package doctor_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/doctor"
)

// speakers are the packages that speak to Redis.
func speakers() []string { return []string{"../../results", "../queue", "../app", "."} }

// TestEveryCommandIsGranted holds the commands of all scripts, ours and Asynq's, and
// those that Go code sends, against the ACL line of docs/operations.md, and that
// against what the doctor tries. A script that is refused a command stops half way,
// so none may be missing.
func TestEveryCommandIsGranted(t *testing.T) {
	t.Parallel()
	granted, tried := documented(t), make(map[string]bool)
	for _, name := range doctor.Probes() {
		tried[name] = true
	}
	for command, where := range needed(t) {
		if !granted[command] && !spared(command) {
			t.Errorf("%s calls %s, which the ACL line in docs/operations.md does not grant", where, command)
		}
	}
	for _, command := range slices.Sorted(maps.Keys(granted)) {
		if !tried[command] && !apart(command) {
			t.Errorf("the doctor does not try %s, which the ACL line in docs/operations.md grants", command)
		}
	}
	for _, command := range slices.Sorted(maps.Keys(tried)) {
		if !granted[command] && !spared(command) {
			t.Errorf("the doctor wants %s, which the ACL line in docs/operations.md does not grant", command)
		}
	}
}

// apart reports whether a command of the ACL line is none that the doctor tries on a
// key: what a connection begins with, what the doctor or a Cluster's client asks, and
// what it tries on a channel.
func apart(command string) bool {
	switch command {
	case "auth", "hello", "ping", "select", "client|setname", "subscribe", "unsubscribe", "config|get", "command", "cluster|slots", "cluster|info":
		return true
	}
	return false
}

// spared reports whether a command is found, and yet not in the ACL line.
func spared(command string) bool {
	switch command {
	case "waitaof": // Redis 7.0 does not know it: the sentence below the line has it
		return true
	case "hvals", "cluster|keyslot": // what Asynq's inspector offers, and we do not ask it
		return true
	case "shutdown": // of an HTTP server
		return true
	}
	return false
}

// documented are the commands that the user of docs/operations.md may call.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^user longhaul .*$`).FindString(string(page))
	granted := make(map[string]bool)
	for rule := range strings.FieldsSeq(line) {
		if command, ok := strings.CutPrefix(rule, "+"); ok {
			granted[command] = true
		}
	}
	if len(granted) == 0 {
		t.Fatal("docs/operations.md has no ACL line")
	}
	return granted
}

// needed are the commands that are sent, each with a place that sends it.
func needed(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/hibiken/asynq").Output()
	if err != nil {
		t.Fatalf("find Asynq: %v", err)
	}
	asynq := filepath.Join(strings.TrimSpace(string(out)), "internal", "rdb")
	all := make(map[string]string)
	for _, pattern := range []string{"../../results/lua/*.lua", filepath.Join(asynq, "*.go")} {
		for _, file := range files(t, pattern) {
			scripted(t, file, all)
		}
	}
	for _, dir := range append(speakers(), asynq) {
		for _, file := range files(t, filepath.Join(dir, "*.go")) {
			sent(t, file, all)
		}
	}
	for _, command := range []string{"zadd", "evalsha", "eval", "hset", "sismember", "zrevrangebylex", "memory|usage"} {
		if all[command] == "" {
			t.Errorf("nobody is found to call %s; the search is broken", command)
		}
	}
	return all
}

// files are those of a pattern without the tests.
func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no files are %s: %v", pattern, err)
	}
	return slices.DeleteFunc(found, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

// scripted collects the commands of the scripts in a file. Each has to be a literal,
// or nobody could tell what it is.
func scripted(t *testing.T, file string, all map[string]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`redis\.p?call\(\s*['"]([A-Za-z]+)['"](?:\s*,\s*['"](USAGE)['"])?`)
	calls := named.FindAllStringSubmatch(string(text), -1)
	if every := regexp.MustCompile(`redis\.p?call\b`).FindAllString(string(text), -1); len(every) != len(calls) {
		t.Errorf("%s calls Redis %d times, %d of them by a literal name", file, len(every), len(calls))
	}
	for _, call := range calls {
		name := strings.ToLower(call[1])
		if call[2] != "" {
			name += "|" + strings.ToLower(call[2])
		}
		all[name] = file
	}
}

// sent collects the commands that a file of Go sends: the methods of the client
// library that it calls with a context, by the name that the library gives each, and
// what it gives to Do. A method of something else that has the same name counts as
// well.
func sent(t *testing.T, file string, all map[string]string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(tree.Imports, func(i *ast.ImportSpec) bool { return strings.Contains(i.Path.Value, "/go-redis/") }) {
		return
	}
	for n := range ast.Preorder(tree) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			continue
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || len(call.Args) == 0 || !isContext(call.Args[0]) {
			continue
		}
		switch method.Sel.Name {
		case "Run": // of a script
			all["evalsha"], all["eval"] = file, file
		case "TxPipelined", "TxPipeline":
			all["multi"], all["exec"] = file, file
		case "Subscribe":
			all["subscribe"], all["unsubscribe"] = file, file
		case "Do":
			if name, ok := literal(call.Args, 1); ok {
				all[name] = file
			}
		default:
			if name := commandOf(method.Sel.Name); name != "" {
				all[name] = file
			}
		}
	}
}

// isContext reports whether an argument looks like a context.
func isContext(arg ast.Expr) bool {
	switch a := arg.(type) {
	case *ast.Ident:
		return a.Name == "ctx" || a.Name == "bounded"
	case *ast.CallExpr:
		f, ok := a.Fun.(*ast.SelectorExpr)
		return ok && (f.Sel.Name == "Background" || f.Sel.Name == "WithoutCancel" || f.Sel.Name == "Context")
	}
	return false
}

func literal(args []ast.Expr, n int) (string, bool) {
	if len(args) <= n {
		return "", false
	}
	text, ok := args[n].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	name, err := strconv.Unquote(text.Value)
	return strings.ToLower(name), err == nil
}

// commandOf is the command that a method of the client library sends, "" if it is
// none. A pipeline that is never carried out tells.
func commandOf(method string) string {
	pipe := redis.NewClient(&redis.Options{}).Pipeline()
	m := reflect.ValueOf(pipe).MethodByName(method)
	if !m.IsValid() || m.Type().NumIn() == 0 || m.Type().In(0) != reflect.TypeFor[context.Context]() ||
		m.Type().NumOut() != 1 || !m.Type().Out(0).Implements(reflect.TypeFor[redis.Cmder]()) {
		return ""
	}
	args := []reflect.Value{reflect.ValueOf(context.Background())}
	for i := 1; i < m.Type().NumIn(); i++ {
		in := m.Type().In(i)
		switch {
		case m.Type().IsVariadic() && i == m.Type().NumIn()-1:
		case in.Kind() == reflect.Pointer:
			args = append(args, reflect.New(in.Elem()))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	command, _ := reflect.TypeAssert[redis.Cmder](m.Call(args)[0])
	if command.Name() == "config" {
		return "config|get"
	}
	return strings.ReplaceAll(command.FullName(), " ", "|")
}
