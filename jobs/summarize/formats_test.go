package summarize_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// epubOf returns a book of two chapters whose files are named against their order.
func epubOf(tb testing.TB, first, second string, more ...string) []byte {
	tb.Helper()
	return zipped(tb, append([]string{
		"mimetype", "application/epub+zip",
		"META-INF/container.xml", `<container><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>`,
		"OEBPS/content.opf", `<package xmlns:dc="d"><metadata><dc:title>The Book</dc:title></metadata><manifest>
			<item id="a" href="text/b%20x.xhtml" media-type="application/xhtml+xml"/><item id="b" href="text/a.xhtml" media-type="application/xhtml+xml"/>
			<item id="c" href="../../../etc/passwd" media-type="text/css"/><item id="cover" href="cover.jpg" media-type="image/jpeg"/></manifest>
			<spine><itemref idref="a"/><itemref idref="b"/><itemref idref="a"/><itemref idref="c"/></spine></package>`,
		"OEBPS/text/b x.xhtml", first,
		"OEBPS/text/a.xhtml", second,
	}, more...)...)
}

func TestEPUB(t *testing.T) {
	doc := parse(t, "a.epub", summarize.KindEPUB, string(epubOf(t,
		`<?xml version="1.0"?><html><head><title>x</title></head><body><h1>One</h1><p>Once.</p></body></html>`, `<html><body><h2>Two</h2><p>Then.</p></body></html>`)))
	if diff := cmp.Diff("[Part 1]\n# One\n\nOnce.\n\n[Part 2]\n## Two\n\nThen.", doc.Text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if doc.Title != "The Book" {
		t.Errorf("title = %q", doc.Title)
	}
}

func TestRTF(t *testing.T) {
	tests := []struct{ name, rtf, want string }{
		{"paragraphs", `{\rtf1\ansi Hello {\b bold}\par World\line below\tab x}`, "Hello bold\n\nWorld\nbelow x"},
		{"what is left out", `{\rtf1{\fonttbl{\f0 Arial;}}{\colortbl;\red0;}{\*\generator x;}{\header head}{\pict\bin3 }{}}\{abc\}ok\par}`, "{abc}ok"},
		{"escapes", `{\rtf1 a\{b\}c\\d\~e\_f\emdash g\ldblquote h\rdblquote}`, `a{b}c\d e-f—g“h”`},
		{"code page", `{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}`, "Привет"},
		{"the font's encoding", `{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\f0 caf\'e9 {\f1 \'e4\'e0} \'e9}`, "café да é"},
		{"Japanese", `{\rtf1\ansicpg932 \'93\'fa\'96\'7b}`, "日本"},
		{"Unicode with its fallbacks", `{\rtf1\uc1 \u8364?5 \u-10179?\u-8704?{\uc2 \u252\'fc\'fcx}}`, "€5 😀üx"},
		{"an encoding that the fallback spares", `{\rtf1\ansicpg932\uc2 \u26085\'93\'fa!}`, "日!"},
		{"a table", `{\rtf1 a\par\trowd\intbl x\cell y\cell\row\trowd\intbl 1\cell 2\cell\row\pard b\par}`, "a\n\nx | y\n1 | 2\n\nb"},
		{"a footnote", `{\rtf1 text{\footnote\pard see below} on}`, "text [note: see below] on"},
		{"an ignorable destination is skipped whole", `{\rtf1 {\*\foo {bar} baz}ok}`, "ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := parse(t, "a.rtf", summarize.KindRTF, tt.rtf)
			if diff := cmp.Diff(tt.want, doc.Text); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
	if doc := parse(t, "a.rtf", summarize.KindRTF, `{\rtf1{\info{\title The \'e9t\'e9}{\author Me}}x}`); doc.Title != "The été" || doc.Text != "x" {
		t.Errorf("title %q, text %q", doc.Title, doc.Text)
	}
}

func crlf(lines ...string) string { return strings.Join(lines, "\r\n") }

func TestEML(t *testing.T) {
	headers := []string{
		"From: =?UTF-8?Q?J=C3=BCrgen?= <j@example.com>", "To: you@example.com", "Subject: =?koi8-r?B?8NLJ18XU?=", "X-Spam: no", "MIME-Version: 1.0",
	}
	const top = "From: Jürgen <j@example.com>\nTo: you@example.com\nSubject: Привет\n\n"
	tests := []struct {
		name, want string
		body       []string
	}{
		{"plain", "Hello", []string{"", "Hello"}},
		{"Japanese", "日本語", []string{"Content-Type: text/plain; charset=iso-2022-jp", "", "\x1b$BF|K\\8l\x1b(B"}},
		{"quoted-printable in Latin-1", "Größe – no", []string{`Content-Type: text/plain; charset=windows-1252`, "Content-Transfer-Encoding: quoted-printable", "", "Gr=F6=DFe =", "=96 no"}},
		{"base64", "Größe", []string{`Content-Type: text/plain; charset="utf-8"`, "Content-Transfer-Encoding: base64", "", base64.StdEncoding.EncodeToString([]byte("Größe"))}},
		{"HTML", "# Hi\n\nthere", []string{"Content-Type: text/html; charset=utf-8", "", "<h1>Hi</h1><p>there"}},
		{"alternatives", "plain", []string{
			"Content-Type: multipart/alternative; boundary=x", "", "--x", "Content-Type: text/plain", "", "plain",
			"--x", "Content-Type: text/html", "", "<p>rich", "--x--",
		}},
		{"alternatives without a plain one", "rich", []string{
			"Content-Type: multipart/alternative; boundary=x", "", "--x", "Content-Type: text/html", "", "<p>rich", "--x--",
		}},
		{"attachments", "see this\n\nAttachments, which are not part of this text:\n- Übersicht.pdf (application/pdf, 3 bytes)\n- notes.txt (text/plain, 4 bytes)", []string{
			"Content-Type: multipart/mixed; boundary=x", "",
			"--x", "Content-Type: multipart/alternative; boundary=y", "", "--y", "Content-Type: text/plain", "", "see this", "--y--",
			"--x", `Content-Type: application/pdf; name="=?utf-8?Q?=C3=9Cbersicht.pdf?="`, "Content-Transfer-Encoding: base64", "", "YWJj",
			"--x", "Content-Type: text/plain", `Content-Disposition: attachment; filename=notes.txt`, "", "more", "--x--",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := parse(t, "a.eml", summarize.KindEML, crlf(append(slices.Clip(headers), tt.body...)...))
			if diff := cmp.Diff(top+tt.want, strings.ReplaceAll(doc.Text, "\r\n", "\n")); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			if doc.Title != "Привет" {
				t.Errorf("title = %q", doc.Title)
			}
		})
	}
}

func TestBooksAndMailsThatCannotBeRead(t *testing.T) {
	var nested strings.Builder
	nested.WriteString("Content-Type: multipart/mixed; boundary=b0\r\n\r\n")
	for i := range 40 {
		fmt.Fprintf(&nested, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	encrypted := func(algorithm string) []byte {
		return epubOf(t, "<p>a", "<p>b", "META-INF/encryption.xml", `<encryption><EncryptedData><EncryptionMethod Algorithm="`+algorithm+`"/></EncryptedData></encryption>`)
	}
	tests := []struct {
		name    string
		kind    summarize.Kind
		content string
		err     error
	}{
		{"a protected book", summarize.KindEPUB, string(encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc")), summarize.ErrEncrypted},
		{"a book of which only the fonts are encrypted", summarize.KindEPUB, string(encrypted("http://www.idpf.org/2008/embedding")), nil},
		{"a book of pictures", summarize.KindEPUB, string(epubOf(t, "<img>", "<p>")), summarize.ErrPictures},
		{"a book without a list", summarize.KindEPUB, string(zipped(t, "mimetype", "application/epub+zip")), summarize.ErrMalformed},
		{"rich text that is none", summarize.KindRTF, "Hello", summarize.ErrMalformed},
		{"rich text cut off", summarize.KindRTF, `{\rtf1 Hello`, summarize.ErrMalformed},
		{"rich text nested deeply", summarize.KindRTF, `{\rtf1 ` + strings.Repeat("{", 100_000), summarize.ErrMalformed},
		{"rich text of pictures", summarize.KindRTF, `{\rtf1{\pict 0a0b}}`, summarize.ErrPictures},
		{"rich text without text", summarize.KindRTF, `{\rtf1\par}`, summarize.ErrEmpty},
		{"rich text in an encoding that is not read", summarize.KindRTF, `{\rtf1\ansicpg1361 \'93\'fa}`, summarize.ErrCharset},
		{"a mail in an encoding that is not read", summarize.KindEML, "Subject: x\r\nContent-Type: text/plain; charset=iso-2022-kr\r\n\r\n\x1b$)C\x0e!!\x0f", summarize.ErrCharset},
		{"no mail", summarize.KindEML, "just text\nand more", summarize.ErrMalformed},
		{"a mail nested deeply", summarize.KindEML, "Subject: x\r\n" + nested.String(), summarize.ErrMalformed},
		{"a mail that breaks off", summarize.KindEML, "Subject: x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntext", summarize.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := summarize.Parse("d/name", tt.kind, []byte(tt.content))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error = %v, want %v", err, tt.err)
			}
			if err != nil {
				checkNamed(t, err, "d/name")
			}
		})
	}
}

func FuzzRTF(f *testing.F) {
	for _, s := range []string{
		`{\rtf1\ansi a\par{\b b}\'e9\u-10179?\u8364?\intbl x\cell\row\nestcell{\footnote n}}`, `{\rtf1\bin99999999999 x}`, `{\rtf1\uc-5\u\'`, `{\rtf1}}}\`,
		`{\rtf1{\fonttbl{\f0\fcharset204;}}\f0\'ff\row\cell}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) { checkParse(t, summarize.KindRTF, []byte(content)) })
}

func FuzzEML(f *testing.F) {
	f.Add("Subject: =?x?Q?a?=\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x\nContent-Transfer-Encoding: base64\n\n!!\n--x--")
	f.Add("From a\nSubject: b\nContent-Type: text/html; charset=utf-16\n\n<p>\xff")
	f.Add(": \n\n")
	f.Fuzz(func(t *testing.T, content string) { checkParse(t, summarize.KindEML, []byte(content)) })
}

func FuzzEPUB(f *testing.F) {
	f.Add("<h1>a</h1>", "<p>b")
	f.Add("\xff\xfe<", "<script>")
	f.Fuzz(func(t *testing.T, first, second string) { checkParse(t, summarize.KindEPUB, epubOf(t, first, second)) })
}
