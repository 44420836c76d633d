package tree_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shellCommand is one simple command of a script.
type shellCommand struct {
	line  int // within the script, counted from 0
	words []string
}

// shellCommands splits a script as a shell does, as far as documentation goes:
// quotes, escapes, comments, continued lines, here-documents, and the operators
// and substitutions that separate commands. Variables stay as they are written.
func shellCommands(script string) []shellCommand {
	s := shellScanner{rest: script}
	for s.rest != "" {
		s.step()
	}
	s.endCommand()
	return s.commands
}

// shellScanner is the state of shellCommands.
type shellScanner struct {
	rest     string
	line     int
	commands []shellCommand

	current  shellCommand
	word     strings.Builder
	inWord   bool // so that an empty quoted word counts
	heredoc  string
	redirect bool // the next word is a file, not an argument
}

// take consumes n bytes and returns them.
func (s *shellScanner) take(n int) string {
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	s.line += strings.Count(taken, "\n")
	return taken
}

// step consumes the next character or construct.
func (s *shellScanner) step() {
	switch c := s.rest[0]; {
	case strings.HasPrefix(s.rest, "\\\n"):
		s.take(2)
		s.endWord()
	case c == '\\' && len(s.rest) > 1:
		s.add(s.take(2)[1:])
	case c == '\'':
		s.take(1)
		s.add(s.takeUntil("'"))
	case c == '"':
		s.take(1)
		s.add(s.takeUntil("\""))
	case c == '#' && !s.inWord:
		n := strings.IndexByte(s.rest+"\n", '\n')
		s.take(n)
	case c == ' ' || c == '\t':
		s.take(1)
		s.endWord()
	case c == '\n':
		s.take(1)
		s.endCommand()
		s.skipHeredoc()
	case strings.HasPrefix(s.rest, "$("):
		s.take(2)
		s.endCommand()
	case strings.ContainsRune("|&;()", rune(c)):
		s.take(1)
		s.endCommand()
	case strings.HasPrefix(s.rest, "<<"):
		s.endWord()
		s.takeHeredocName()
	case c == '<' || c == '>':
		s.takeRedirection()
	default:
		s.add(s.take(1))
	}
}

func (s *shellScanner) add(text string) {
	s.inWord = true
	s.word.WriteString(text)
}

// takeUntil consumes up to a closing quote, which an escape may hide.
func (s *shellScanner) takeUntil(quote string) string {
	for i := 0; i < len(s.rest); i++ {
		if s.rest[i] == '\\' && quote == "\"" {
			i++
			continue
		}
		if s.rest[i] == quote[0] {
			text := s.take(i)
			s.take(1)
			return text
		}
	}
	return s.take(len(s.rest))
}

func (s *shellScanner) endWord() {
	if s.inWord && !s.redirect {
		if len(s.current.words) == 0 {
			s.current.line = s.line
		}
		s.current.words = append(s.current.words, s.word.String())
	}
	if s.inWord {
		s.redirect = false
	}
	s.word.Reset()
	s.inWord = false
}

func (s *shellScanner) endCommand() {
	s.endWord()
	if len(s.current.words) > 0 {
		s.commands = append(s.commands, s.current)
	}
	s.current = shellCommand{}
	s.redirect = false
}

// takeRedirection consumes an operator such as >>, with the number of a
// descriptor before it; the next word is its file.
func (s *shellScanner) takeRedirection() {
	if _, err := strconv.Atoi(s.word.String()); err == nil {
		s.word.Reset()
		s.inWord = false
	}
	s.endWord()
	s.take(len(s.rest) - len(strings.TrimLeft(s.rest, "<>&")))
	s.redirect = true
}

func (s *shellScanner) takeHeredocName() {
	n := strings.IndexAny(s.rest+"\n", "\n ")
	s.heredoc = strings.Trim(s.take(n), "<-'\"")
}

// skipHeredoc consumes the lines of a here-document that has begun.
func (s *shellScanner) skipHeredoc() {
	for s.heredoc != "" && s.rest != "" {
		n := strings.IndexByte(s.rest+"\n", '\n')
		line := strings.TrimSpace(s.take(n))
		if s.rest != "" {
			s.take(1)
		}
		if line == s.heredoc {
			s.heredoc = ""
		}
	}
}

func TestShellCommands(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		script string
		want   [][]string
	}{
		{"nothing", "\n# a comment\n\n", nil},
		{"words", "make  test\tV=1 # why\n", [][]string{{"make", "test", "V=1"}}},
		{"lines", "a b\nc", [][]string{{"a", "b"}, {"c"}}},
		{"continued", "a \\\n  b\n", [][]string{{"a", "b"}}},
		{"quotes", `a 'b "c"' "d 'e' \" f" '' g\ h`, [][]string{{"a", `b "c"`, `d 'e' \" f`, "", "g h"}}},
		{"quoted newline", "a '{\n}' b\nc\n", [][]string{{"a", "{\n}", "b"}, {"c"}}},
		{"operators", "a | b && c; d & e || f", [][]string{{"a"}, {"b"}, {"c"}, {"d"}, {"e"}, {"f"}}},
		{"redirections", "a <in >>out b 2>/dev/null c >&2\n", [][]string{{"a", "b", "c"}}},
		{"substitution", "id=$(a b)\nc\n", [][]string{{"id="}, {"a", "b"}, {"c"}}},
		{"here-document", "a <<'EOF' b\nnot 'a command\nEOF\nc\n", [][]string{{"a", "b"}, {"c"}}},
		{"hash in a word", "a b#c\n", [][]string{{"a", "b#c"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got [][]string
			for _, c := range shellCommands(tt.script) {
				got = append(got, c.words)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("commands of %q (-want +got):\n%s", tt.script, diff)
			}
		})
	}
}
