package summarize_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestParseDecodes(t *testing.T) {
	utf16 := func(order unicode.Endianness, bom unicode.BOMPolicy, s string) string {
		out, err := unicode.UTF16(order, bom).NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	charset := func(m *charmap.Charmap, s string) string {
		out, err := m.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const german, russian = "Größe: 5 € – „gut“", "Привет, мир: отчёт за год и планы"
	long := strings.Repeat("Größere Übersicht über Ärger. ", 20)
	tests := []struct {
		name    string
		kind    summarize.Kind
		content string
		want    string
		err     error
	}{
		{name: "UTF-8", content: german, want: german},
		{name: "UTF-8 with a byte order mark", content: "\ufeff" + german, want: german},
		{name: "UTF-16 little endian", content: utf16(unicode.LittleEndian, unicode.UseBOM, german), want: german},
		{name: "UTF-16 big endian", content: utf16(unicode.BigEndian, unicode.UseBOM, german), want: german},
		{name: "UTF-16 little endian without mark", content: utf16(unicode.LittleEndian, unicode.IgnoreBOM, german), want: german},
		{name: "UTF-16 big endian without mark", content: utf16(unicode.BigEndian, unicode.IgnoreBOM, russian), want: russian},
		{name: "Windows-1252", content: charset(charmap.Windows1252, german), want: german},
		{name: "Latin-1", content: charset(charmap.ISO8859_1, "déjà vu, señor"), want: "déjà vu, señor"},
		{name: "UTF-8 with a broken byte", content: long + "\xff end", want: long + "\ufffd end"},
		{name: "UTF-8 cut within a character", content: long + "\xc3", want: long + "\ufffd"},
		{name: "line ends and tabs as they are", content: "a\r\nb\tc\u2028d\x1b[1me", want: "a\r\nb\tc\u2028d\x1b[1me"},
		{
			name: "HTML that declares KOI8-R", kind: summarize.KindHTML,
			content: "<meta charset=KOI8-R><p>" + charset(charmap.KOI8R, russian), want: russian,
		},
		{
			name: "HTML that declares Windows-1251 the old way", kind: summarize.KindHTML,
			content: `<meta http-equiv="content-type" content="text/html; Charset=windows-1251"><p>` + charset(charmap.Windows1251, russian),
			want:    russian,
		},
		{
			name: "XHTML that declares ISO-8859-2", kind: summarize.KindHTML,
			content: `<?xml version="1.0" encoding="ISO-8859-2"?><html><p>` + charset(charmap.ISO8859_2, "zażółć gęślą jaźń") + "</p></html>",
			want:    "zażółć gęślą jaźń",
		},
		{
			name: "UTF-8 is believed rather than a declaration", kind: summarize.KindHTML,
			content: "<meta charset=windows-1251><p>" + german, want: german,
		},
		{
			name: "a declaration of UTF-8 that is not true", kind: summarize.KindHTML,
			content: "<meta charset=utf-8><p>caf\xe9", want: "café",
		},
		{
			name: "a declaration in the text is none", kind: summarize.KindHTML,
			content: "<body><p>caf\xe9 <meta charset=koi8-r>", want: "café",
		},
		{
			name: "HTML in an encoding of several bytes", kind: summarize.KindHTML,
			content: "<meta charset=Shift_JIS><p>\x93\xfa\x96\x7b\x8c\xea", want: "日本語",
		},
		{
			name: "HTML in an encoding that looks like ASCII", kind: summarize.KindHTML,
			content: "<meta charset=iso-2022-jp><p>\x1b$BF|K\\8l\x1b(B", want: "日本語",
		},
		{
			name: "HTML in an encoding that is not read", kind: summarize.KindHTML,
			content: "<meta charset=hz-gb-2312><p>~{VPND~}", err: summarize.ErrCharset,
		},
		{name: "ISO-2022-JP that is not declared", content: "Re: \x1b$BF|K\\8l\x1b(B", want: "Re: 日本語"},
		{name: "colours are no Japanese", content: "\x1b[1mbold\x1b[0m \x1b(B", want: "\x1b[1mbold\x1b[0m \x1b(B"},
		{name: "CSV from a spreadsheet", kind: summarize.KindCSV, content: charset(charmap.Windows1252, "Name;Größe\r\n\"a;b\";5 €\r\n"), want: "Name;Größe\r\n\"a;b\";5 €\r\n"},
		{name: "CSV in UTF-16", kind: summarize.KindCSV, content: utf16(unicode.LittleEndian, unicode.UseBOM, "a\tß\n"), want: "a\tß\n"},
		{name: "JSON", kind: summarize.KindJSON, content: "\ufeff{\"a\": [1,\n 2]}", want: "{\"a\": [1,\n 2]}"},
		{name: "code", kind: summarize.KindCode, content: "if a < b {\n\tc()\n}\n", want: "if a < b {\n\tc()\n}\n"},
		{name: "code that is a program", kind: summarize.KindCode, content: "\x7fELF\x02", err: summarize.ErrBinary},
		{name: "NUL", content: "text \x00 with NUL", err: summarize.ErrBinary},
		{name: "NUL in HTML", kind: summarize.KindHTML, content: "<p>a\x00b", err: summarize.ErrBinary},
		{name: "archive", content: "PK\x03\x04 and so on", err: summarize.ErrBinary},
		{name: "control characters", content: strings.Repeat("\x01\x02\x03\x04abc", 20), err: summarize.ErrBinary},
		{name: "bytes without meaning", content: strings.Repeat("\x81\x8d\x9d", 20), err: summarize.ErrBinary},
		{name: "nothing", content: "", err: summarize.ErrEmpty},
		{name: "only white space", content: " \r\n\t\u00a0\u200b\ufeff", err: summarize.ErrEmpty},
		{name: "only front matter", kind: summarize.KindMarkdown, content: "---\ntitle: A\n---\n \n", err: summarize.ErrEmpty},
		{name: "only scripts", kind: summarize.KindHTML, content: "<script>let a = 1</script><nav>Home</nav>", err: summarize.ErrEmpty},
		{name: "an unknown kind", kind: "other", content: "text", err: summarize.ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kind := tt.kind
			if kind == "" {
				kind = summarize.KindText
			}
			doc, err := summarize.Parse("d/name", kind, []byte(tt.content))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error = %v, want %v", err, tt.err)
			}
			if err != nil {
				checkNamed(t, err, "d/name")
				return
			}
			if diff := cmp.Diff(tt.want, doc.Text); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			sum := sha256.Sum256([]byte(doc.Text))
			if want := hex.EncodeToString(sum[:]); doc.Hash != want {
				t.Errorf("hash = %s, want %s", doc.Hash, want)
			}
		})
	}
}

// checkNamed checks that an error is a SourceError about path.
func checkNamed(t *testing.T, err error, path string) {
	t.Helper()
	named, ok := errors.AsType[*summarize.SourceError](err)
	if !ok || named.Path != path || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("error %q does not name %s", err, path)
	}
}

func TestParseFindsTitles(t *testing.T) {
	tests := []struct {
		name, content, want string
		kind                summarize.Kind
	}{
		{"heading", "intro\n\n# The  *title* #\n\n# Second", "The *title*", summarize.KindMarkdown},
		{"heading with a number sign", "# About C#", "About C#", summarize.KindMarkdown},
		{"underlined heading", "The title\n=====\n\ntext", "The title", summarize.KindMarkdown},
		{"heading after code", "```sh\n# not this\n```\n    # nor this\n# This", "This", summarize.KindMarkdown},
		{"fence within a longer fence", "````\n```\n# not this\n````\n# This", "This", summarize.KindMarkdown},
		{"no heading of level one", "## Section\ntext\n---\n", "", summarize.KindMarkdown},
		{"YAML front matter", "---\r\ndate: 2026-01-02\r\ntitle: \"Plan: B\"\r\n---\r\n# Heading", "Plan: B", summarize.KindMarkdown},
		{"TOML front matter", "+++\ntitle = 'Plan'\n+++\ntext", "Plan", summarize.KindMarkdown},
		{"front matter without title", "---\na: b\n...\n# Heading", "Heading", summarize.KindMarkdown},
		{"a thematic break", "---\ntitle: no\n\n# Heading", "Heading", summarize.KindMarkdown},
		{"plain text has none", "# Comment", "", summarize.KindText},
		{"HTML title", "<title> A\n &amp; B </title><h1>Heading</h1>", "A & B", summarize.KindHTML},
		{"HTML heading", "<nav><h1>Site</h1></nav><h1><p>The <i>heading</i></h1><h1>Second</h1>", "The heading", summarize.KindHTML},
		{"title of a picture", "<svg><title>icon</title></svg><p>text", "", summarize.KindHTML},
		{"control characters", "# a\x1b[2J\u202eb", "a [2J\u202eb", summarize.KindMarkdown},
		{"very long", "# " + strings.Repeat("é", 500), strings.Repeat("é", 199) + "…", summarize.KindMarkdown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := summarize.Parse("name", tt.kind, []byte(tt.content))
			if err != nil {
				t.Fatal(err)
			}
			if doc.Title != tt.want {
				t.Errorf("title = %q, want %q", doc.Title, tt.want)
			}
			if want := map[bool]string{true: "name", false: tt.want}[tt.want == ""]; doc.Heading() != want {
				t.Errorf("heading = %q, want %q", doc.Heading(), want)
			}
			if tt.kind == summarize.KindMarkdown && doc.Text != tt.content {
				t.Errorf("text = %q, want it as it was: %q", doc.Text, tt.content)
			}
		})
	}
}

func TestRead(t *testing.T) {
	tree(t, "d/a.md", "folder/", "l.md -> d/a.md")
	for _, path := range []string{"d/a.md", "l.md"} {
		doc, err := summarize.Read(summarize.Source{Path: path, Kind: summarize.KindMarkdown}, summarize.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if doc.Path != path || doc.Text != "text of d/a.md" || doc.Bytes != int64(len(doc.Text)) {
			t.Errorf("Read(%s) = %+v", path, doc)
		}
	}
	if err := os.WriteFile("big.md", bytes.Repeat([]byte("a"), 101), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		"gone.md": fs.ErrNotExist,
		"folder":  summarize.ErrNotRegular,
		"big.md":  summarize.ErrOversize,
	} {
		_, err := summarize.Read(summarize.Source{Path: path, Kind: summarize.KindMarkdown}, summarize.Limits{FileBytes: 100})
		if !errors.Is(err, want) {
			t.Errorf("Read(%s) = %v, want %v", path, err, want)
			continue
		}
		checkNamed(t, err, path)
	}
}

// Whatever a file contains, reading it gives a document that can be sent or an
// error that names the file.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"report.html", "email.html", "unclosed.html"} {
		content, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	for _, s := range []string{
		"\xff\xfea\x00", "\xfe\xff\x00", "a\x00b\x00c\x00", "\xef\xbb\xbf", "---\n---\n", "+++\n", "# \n===\n", "```\n# a",
		"<p><table><td><ul><li><ol start=9999999999><li value=-1>a<pre>\n\n b</pre><br/>", "<title>", "<!--", "<a b='",
		"<nav><pre>x   <nav>é</nav>y<h1>é</nav>z", "&#0;&#x110000;&amp", "<td>a<td> <th><p>b<tr>", "<meta charset=koi8-r>\xc1", "caf\xe9",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, kind := range []summarize.Kind{summarize.KindText, summarize.KindMarkdown, summarize.KindHTML, summarize.KindCSV} {
			doc, err := summarize.Parse("d/name", kind, content)
			if err != nil {
				checkNamed(t, err, "d/name")
				continue
			}
			switch {
			case !utf8.ValidString(doc.Text) || !utf8.ValidString(doc.Title):
				t.Errorf("%s: not valid UTF-8", kind)
			case strings.TrimSpace(doc.Text) == "":
				t.Errorf("%s: no text and no error", kind)
			case strings.ContainsAny(doc.Title, "\r\n\x00"):
				t.Errorf("%s: title %q is not one line", kind, doc.Title)
			case utf8.RuneCountInString(doc.Title) > 200:
				t.Errorf("%s: title of %d characters", kind, utf8.RuneCountInString(doc.Title))
			case kind != summarize.KindHTML && utf8.Valid(content) && !bytes.ContainsRune(content, 0) && doc.Text != strings.TrimPrefix(string(content), "\ufeff"):
				t.Errorf("%s: text %q, want it as it was: %q", kind, doc.Text, content)
			case len(doc.Text) > 32*len(content)+1024:
				t.Errorf("%s: %d bytes became %d", kind, len(content), len(doc.Text))
			}
		}
	})
}
