package summarize_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// zipped returns a zip archive of files, given as name, content, name, content.
func zipped(tb testing.TB, files ...string) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err == nil {
			_, err = io.WriteString(f, files[i+1])
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// relationships returns a part with relations, given as id, kind, target.
func relationships(relations ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`)
	for i := 0; i < len(relations); i += 3 {
		fmt.Fprintf(&b, `<Relationship Id="%s" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/%s" Target="%s"/>`,
			relations[i], relations[i+1], relations[i+2])
	}
	return b.String() + `</Relationships>`
}

func core(title string) string {
	return `<cp:coreProperties xmlns:cp="c" xmlns:dc="d"><dc:title>` + title + `</dc:title></cp:coreProperties>`
}

// docxOf returns a Word document with a body.
func docxOf(tb testing.TB, body string, more ...string) []byte {
	tb.Helper()
	return zipped(tb, append([]string{
		"[Content_Types].xml", `<Types/>`,
		"_rels/.rels", relationships("rId1", "officeDocument", "word/document.xml"),
		"word/_rels/document.xml.rels", relationships(
			"rId1", "styles", "styles.xml", "rId2", "numbering", "numbering.xml", "rId3", "footnotes", "/word/footnotes.xml", "rId4", "endnotes", "endnotes.xml"),
		"word/styles.xml", `<w:styles xmlns:w="w">
			<w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>
			<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
			<w:style w:styleId="berschrift2"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="2"/></w:numPr></w:pPr></w:style>
			<w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="berschrift2"/></w:style></w:styles>`,
		"word/numbering.xml", `<w:numbering xmlns:w="w">
			<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="x"/></w:lvl></w:abstractNum>
			<w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
				<w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>
			<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num></w:numbering>`,
		"word/document.xml", `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="w" xmlns:mc="mc" xmlns:a="a"><w:body>` + body + `</w:body></w:document>`,
	}, more...)...)
}

func style(name, text string) string {
	return `<w:p><w:pPr><w:pStyle w:val="` + name + `"/></w:pPr><w:r><w:t>` + text + `</w:t></w:r></w:p>`
}

func item(list, level, text string) string {
	return `<w:p><w:pPr><w:numPr><w:ilvl w:val="` + level + `"/><w:numId w:val="` + list + `"/></w:numPr></w:pPr><w:r><w:t>` + text + `</w:t></w:r></w:p>`
}

func TestDOCX(t *testing.T) {
	tc := func(text string) string { return `<w:tc><w:p><w:r><w:t>` + text + `</w:t></w:r></w:p></w:tc>` }
	body := style("Titel", "The plan") + style("berschrift1", "Scope") +
		`<w:p><w:r><w:t xml:space="preserve">One </w:t></w:r><w:r><w:t>&amp; two</w:t><w:footnoteReference w:id="7"/><w:tab/><w:t>three.</w:t></w:r></w:p>` +
		item("2", "0", "first") + item("2", "1", "below") + item("1", "0", "bullet") +
		style("Mine", "Terms") +
		`<w:p><w:del><w:r><w:delText>gone</w:delText><w:t>gone too</w:t></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins>` +
		`<w:r><w:instrText>PAGEREF x</w:instrText></w:r></w:p>` +
		`<w:tbl><w:tr>` + tc("Name") + tc("Größe") + `</w:tr><w:tr>` + tc("a") + tc("") + tc("5 €") + `</w:tr>` +
		`<w:tr><w:tc>` + item("2", "0", "duty") + item("1", "0", "dot") + item("2", "0", "fee") + `</w:tc></w:tr></w:tbl>` +
		`<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></mc:Choice>` +
		`<mc:Fallback><w:p><w:r><w:t>boxed</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent></w:r></w:p>` +
		`<w:p><w:r><w:drawing><wp:docPr descr="A chart"/></w:drawing><w:t>end</w:t><w:endnoteReference w:id="7"/></w:r></w:p>`
	doc := parse(t, "a.docx", summarize.KindDOCX, string(docxOf(t, body,
		"word/footnotes.xml", `<w:footnotes xmlns:w="w"><w:footnote w:id="-1" w:type="separator"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote>
			<w:footnote w:id="7"><w:p><w:r><w:t>A note.</w:t></w:r></w:p><w:p><w:r><w:t>More.</w:t></w:r></w:p></w:footnote></w:footnotes>`,
		"word/endnotes.xml", `<w:endnotes xmlns:w="w"><w:endnote w:id="7"><w:p><w:r><w:t>The last.</w:t></w:r></w:p></w:endnote></w:endnotes>`)))
	want := `# The plan

# Scope

One & two[^1] three.

[^1]: A note. More.

3. first
  3.1 below
- bullet

## 3.2 Terms

new

Name | Größe
a |  | 5 €
4. duty
dot
5. fee

boxed

[image: A chart] end[^2]

[^2]: The last.`
	if diff := cmp.Diff(want, doc.Text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if doc.Title != "The plan" {
		t.Errorf("title = %q", doc.Title)
	}
}

// slides returns a presentation whose slides stand in the archive in another
// order than they are shown in.
func slides(tb testing.TB, first, second, notes string) []byte {
	tb.Helper()
	sld := func(attrs, tree string) string {
		return `<p:sld xmlns:p="p" xmlns:a="a"` + attrs + `><p:cSld><p:spTree>` + tree + `</p:spTree></p:cSld></p:sld>`
	}
	return zipped(tb,
		"_rels/.rels", relationships("rId1", "officeDocument", "ppt/presentation.xml"),
		"ppt/presentation.xml", `<p:presentation xmlns:p="p" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
			<p:sldIdLst><p:sldId id="256" r:id="rId9"/><p:sldId id="257" r:id="rId2"/></p:sldIdLst></p:presentation>`,
		"ppt/_rels/presentation.xml.rels", relationships("rId2", "slide", "slides/slide1.xml", "rId9", "slide", "slides/slide2.xml"),
		"ppt/slides/slide1.xml", sld(` show="0"`, second),
		"ppt/slides/slide2.xml", sld("", first),
		"ppt/slides/_rels/slide2.xml.rels", relationships("rId1", "notesSlide", "../notesSlides/notesSlide1.xml"),
		"ppt/notesSlides/notesSlide1.xml", `<p:notes xmlns:p="p" xmlns:a="a">`+notes+`</p:notes>`,
		"docProps/core.xml", core("All hands"))
}

func shape(placeholder string, paragraphs ...string) string {
	return `<p:sp><p:nvSpPr><p:nvPr>` + placeholder + `</p:nvPr></p:nvSpPr><p:txBody>` + strings.Join(paragraphs, "") + `</p:txBody></p:sp>`
}

func TestPPTX(t *testing.T) {
	content := slides(t,
		shape(`<p:ph type="ctrTitle"/>`, `<a:p><a:r><a:t>Where we </a:t></a:r><a:r><a:t>stand</a:t></a:r></a:p>`)+
			shape(`<p:ph idx="1"/>`, `<a:p><a:r><a:t>Sales up</a:t></a:r></a:p>`, `<a:p><a:pPr lvl="1"/><a:r><a:t>by 5 %</a:t></a:r></a:p>`)+
			shape(`<p:ph type="sldNum"/>`, `<a:p><a:t>17</a:t></a:p>`),
		shape(``, `<a:p><a:r><a:t>Loose</a:t></a:r></a:p>`)+
			`<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody><a:p><a:t>x</a:t></a:p></a:txBody></a:tc><a:tc><a:p><a:t>y</a:t></a:p></a:tc></a:tr></a:tbl></p:graphicFrame>`,
		shape(`<p:ph type="body"/>`, `<a:p><a:t>Say hello.</a:t></a:p>`)+shape(`<p:ph type="sldNum"/>`, `<a:p><a:t>1</a:t></a:p>`))
	doc := parse(t, "a.pptx", summarize.KindPPTX, string(content))
	want := `[Slide 1: Where we stand]
- Sales up
  - by 5 %

Notes: Say hello.

[Slide 2: (hidden)]
Loose

x | y`
	if diff := cmp.Diff(want, doc.Text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if doc.Title != "All hands" {
		t.Errorf("title = %q", doc.Title)
	}
}

// xlsxOf returns a workbook with two sheets, the first with the given rows.
func xlsxOf(tb testing.TB, rows, shared string) []byte {
	tb.Helper()
	return zipped(tb,
		"xl/workbook.xml", `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>
			<sheet name="Budget" sheetId="4" r:id="rId1"/><sheet name="Old" state="hidden" r:id="rId2"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", relationships("rId1", "worksheet", "worksheets/sheet1.xml", "rId2", "worksheet", "worksheets/sheet2.xml",
			"rId3", "sharedStrings", "sharedStrings.xml", "rId4", "styles", "styles.xml"),
		"xl/worksheets/sheet1.xml", `<worksheet><sheetData>`+rows+`</sheetData></worksheet>`,
		"xl/worksheets/sheet2.xml", `<worksheet><sheetData/></worksheet>`,
		"xl/sharedStrings.xml", `<sst>`+shared+`</sst>`,
		"xl/styles.xml", `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="&quot;on day&quot; [Red]yyyy\-mm"/><numFmt numFmtId="165" formatCode="0.00&quot;d&quot;"/></numFmts>
			<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>
			<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="10"/></cellXfs></styleSheet>`)
}

func TestXLSX(t *testing.T) {
	content := xlsxOf(t, `<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>
		<row r="2"><c r="A2" t="inlineStr"><is><t>in</t><r><t>line</t></r></is></c><c r="B2"><f>1+1</f><v>0.30000000000000004</v></c><c r="C2" t="b"><v>1</v></c><c r="D2" t="e"><v>#N/A</v></c></row>
		<row r="3"/><row r="4"><c r="B4" s="1"><v>45292</v></c><c s="2"><v>45292.75</v></c><c s="3"><v>2</v></c><c s="4"><v>0.125</v></c><c s="1"><v>0.5</v></c></row>
		<row r="5"><c r="XFD5" t="str"><v>far</v></c></row><row r="6"><c r="A6" t="s"><v>9</v></c></row>`,
		`<si><t>Name</t></si><si><r><t>Gr</t></r><r><t>öße</t></r><rPh><t>no</t></rPh></si>`)
	doc := parse(t, "a.xlsx", summarize.KindXLSX, string(content))
	want := `[Sheet 1: Budget]
Name | | Größe
inline | 0.3 | TRUE | #N/A
| 2024-01-01 | 2024-01-01 18:00:00 | 2 | 12.5% | 12:00:00
(column XFD) far

[Sheet 2: Old (hidden)]
(no text)`
	if diff := cmp.Diff(want, doc.Text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func odtOf(tb testing.TB, body string, more ...string) []byte {
	tb.Helper()
	return zipped(tb, append([]string{
		"mimetype", "application/vnd.oasis.opendocument.text",
		"meta.xml", `<office:document-meta xmlns:dc="d"><dc:title>Minutes</dc:title></office:document-meta>`,
		"content.xml", `<?xml version="1.0"?><o:document-content xmlns:o="o" xmlns:text="t" xmlns:table="tb" xmlns:style="s" xmlns:draw="d" xmlns:svg="v"><o:automatic-styles>
			<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="a" text:start-value="2"/></text:list-style></o:automatic-styles>
			<o:body><o:text>` + body + `</o:text></o:body></o:document-content>`,
	}, more...)...)
}

func TestODT(t *testing.T) {
	body := `<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><text:h text:outline-level="2">Present</text:h>
		<text:p>A<text:s text:c="3"/>and <text:span>B</text:span><text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Late.</text:p></text:note-body></text:note>.</text:p>
		<text:list text:style-name="L1"><text:list-item><text:p>x</text:p><text:list><text:list-item><text:p>y</text:p></text:list-item></text:list></text:list-item>
		<text:list-item><text:p>z</text:p></text:list-item></text:list>
		<table:table><table:table-row><table:table-cell><text:p>1</text:p></table:table-cell><table:table-cell><text:p>2</text:p></table:table-cell></table:table-row></table:table>
		<text:p><o:annotation><text:p>comment</text:p></o:annotation>end<draw:frame><draw:image/><svg:desc>A map</svg:desc></draw:frame></text:p>`
	doc := parse(t, "a.odt", summarize.KindODT, string(odtOf(t, body)))
	want := `## Present

A and B[^1].

[^1]: Late.

b. x
  - y
c. z

1 | 2

end [image: A map]`
	if diff := cmp.Diff(want, doc.Text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if doc.Title != "Minutes" {
		t.Errorf("title = %q", doc.Title)
	}
}

func TestPackedDocumentsThatCannotBeRead(t *testing.T) {
	old := "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600)
	paragraph := style("", "text")
	tests := []struct {
		name    string
		kind    summarize.Kind
		content []byte
		err     error
		says    string
	}{
		{"nothing", summarize.KindDOCX, nil, summarize.ErrEmpty, ""},
		{"no text", summarize.KindDOCX, docxOf(t, `<w:p/>`), summarize.ErrEmpty, ""},
		{"no slides", summarize.KindPPTX, slides(t, "", "", ""), summarize.ErrEmpty, ""},
		{"empty sheets", summarize.KindXLSX, xlsxOf(t, "", ""), summarize.ErrEmpty, ""},
		{"pictures only", summarize.KindDOCX, docxOf(t, `<w:p><w:r><w:drawing><a:blip/></w:drawing></w:r></w:p>`), summarize.ErrPictures, ""},
		{"pictures only, ODT", summarize.KindODT, odtOf(t, `<text:p><draw:image/></text:p>`), summarize.ErrPictures, ""},
		{"encrypted", summarize.KindXLSX, []byte(old + "E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00"), summarize.ErrEncrypted, ""},
		{"encrypted ODT", summarize.KindODT, odtOf(t, "", "META-INF/manifest.xml", `<m:manifest xmlns:m="m"><m:encryption-data/></m:manifest>`), summarize.ErrEncrypted, ""},
		{"from before 2007", summarize.KindDOCX, []byte(old), summarize.ErrUnsupported, "before 2007"},
		{"a picture by the name of a document", summarize.KindDOCX, []byte("\x89PNG\r\n"), summarize.ErrMalformed, "its name says DOCX, but it is a picture"},
		{"cut off", summarize.KindDOCX, docxOf(t, paragraph)[:900], summarize.ErrMalformed, "damaged"},
		{"another archive", summarize.KindDOCX, zipped(t, "a.txt", "text"), summarize.ErrMalformed, "is missing"},
		{"broken XML", summarize.KindDOCX, docxOf(t, `<w:p><w:r><w:t>text</w:r>`), summarize.ErrMalformed, "word/document.xml"},
		{"an entity of its own", summarize.KindODT, odtOf(t, `<text:p>&bomb;</text:p>`), summarize.ErrMalformed, "entity"},
		{"deep nesting", summarize.KindDOCX, docxOf(t, strings.Repeat("<w:p>", 100_000)), summarize.ErrMalformed, "nested"},
		{"deep nesting in what is skipped", summarize.KindDOCX, docxOf(t, "<w:del>"+strings.Repeat("<w:p>", 100_000)), summarize.ErrMalformed, "nested"},
		{"bomb", summarize.KindDOCX, docxOf(t, `<w:p><w:r><w:t>`+strings.Repeat(" ", 16<<20)), summarize.ErrOversize, "200 times"},
		{
			"much text from few strings", summarize.KindXLSX,
			xlsxOf(t, strings.Repeat(`<row><c t="s"><v>0</v></c></row>`, 2_000), "<si><t>"+strings.Repeat("lorem ipsum ", 5_000)+"</t></si>"),
			summarize.ErrOversize, "its text has more than",
		},
		{"names that lead elsewhere", summarize.KindDOCX, zipped(t, "../../etc/passwd", "x", "/word/../../x", "y"), summarize.ErrMalformed, "is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := summarize.Parse("d/name", tt.kind, tt.content)
			if !errors.Is(err, tt.err) || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Fatalf("error = %v, want %v with %q", err, tt.err, tt.says)
			}
			checkNamed(t, err, "d/name")
		})
	}
}

// What a file is called says less than what is in it.
func TestContentTellsTheKind(t *testing.T) {
	for _, tt := range []struct {
		content []byte
		named   summarize.Kind
		want    summarize.Kind
	}{
		{docxOf(t, style("", "text")), summarize.KindODT, summarize.KindDOCX},
		{docxOf(t, style("", "text")), summarize.KindText, summarize.KindDOCX},
		{odtOf(t, `<text:p>text</text:p>`), summarize.KindDOCX, summarize.KindODT},
		{xlsxOf(t, `<row><c><v>1</v></c></row>`, ""), summarize.KindCSV, summarize.KindXLSX},
	} {
		doc, err := summarize.Parse("name", tt.named, tt.content)
		if err != nil || doc.Kind != tt.want {
			t.Errorf("%s read as %s, want %s: %v", tt.named, doc.Kind, tt.want, err)
		}
	}
}

func FuzzOffice(f *testing.F) {
	f.Add("<w:p><w:r><w:t>a</w:t><w:tab/><w:footnoteReference w:id='1'/></w:r></w:p><w:tbl><w:tr><w:tc><w:p/>")
	f.Add(style("Titel", "a") + item("2", "8", "b") + item("2", "99", "c") + "<w:tc/><w:tr/>")
	f.Add("<row><c r='ZZZZ1' t='s'><v>-1</v></c><c s='99'><v>1e300</v></c><c s='1'><v>1e9</v></c><c r='B1'/></row>")
	f.Add("<text:list><text:list-item><text:p>a<text:note><text:note><text:p>b</text:p></text:note></text:note></text:p><table:table-cell/>")
	f.Add(shape("<p:ph type='title'/>", "<a:p><a:pPr lvl='99'/><a:t>t</a:t><a:br/></a:p>") + "<a:tc/><p:sp>")
	f.Fuzz(func(t *testing.T, body string) {
		for kind, content := range map[summarize.Kind][]byte{
			summarize.KindDOCX: docxOf(t, body, "word/footnotes.xml", "<f>"+body+"</f>"),
			summarize.KindPPTX: slides(t, body, body, body),
			summarize.KindXLSX: xlsxOf(t, body, body),
			summarize.KindODT:  odtOf(t, body),
		} {
			checkParse(t, kind, content)
		}
	})
}

func FuzzArchive(f *testing.F) {
	f.Add(docxOf(f, style("", "text")))
	f.Add(xlsxOf(f, "<row><c><v>1</v></c></row>", ""))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, content []byte) {
		checkParse(t, summarize.KindDOCX, content)
		checkParse(t, summarize.KindODT, content)
	})
}

// checkParse checks what holds of every document: a named error, or text.
func checkParse(t *testing.T, kind summarize.Kind, content []byte) {
	t.Helper()
	doc, err := summarize.Parse("d/name", kind, content)
	switch {
	case err != nil:
		checkNamed(t, err, "d/name")
	case !utf8.ValidString(doc.Text) || !utf8.ValidString(doc.Title):
		t.Errorf("%s: not valid UTF-8", kind)
	case strings.TrimSpace(doc.Text) == "":
		t.Errorf("%s: no text and no error", kind)
	}
}
