package corpus

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// office has LibreOffice write documents anew in its own way, and packs an archive.
func (a *assembly) office(ctx context.Context) error {
	for _, c := range []struct {
		from, to, filter string
		most             int
	}{
		{"manuals/*.odt", "docx", "", 8},
		{"manuals/*.docx", "odt", "", 8},
		{"manuals/*.docx", "rtf", "", 6},
		{"manuals/*.docx", "pdf", "", 8},
		{"manuals/*.pptx", "pptx", "", 8},
		{"manuals/*.pptx", "pdf", "", 4},
		{"tables/*.csv", "xlsx", "", 8},
		{"html/*.html", "docx", "docx:MS Word 2007 XML", 6},
	} {
		files, err := filepath.Glob(filepath.Join(a.dir, filepath.FromSlash(c.from)))
		if err != nil {
			return err
		}
		args := []string{}
		if c.filter != "" {
			args = append(args, "--infilter=HTML (StarWriter)")
		} else {
			c.filter = c.to
		}
		out := filepath.Join(a.dir, "office", filepath.Ext(c.from)[1:]+"-"+c.to)
		if err := Convert(ctx, c.filter, out, args, spread(files, c.most)); err != nil {
			return err
		}
	}
	if err := a.closed(ctx); err != nil {
		return err
	}
	return a.archive()
}

// closed makes documents whose text nobody can read: scanned ones and one with a
// password.
func (a *assembly) closed(ctx context.Context) error {
	pages, err := os.MkdirTemp("", "corpus-pages")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(pages) }() // they are in the documents by then
	pdfs, err := filepath.Glob(filepath.Join(a.dir, "office", "docx-pdf", "*.pdf"))
	if err != nil {
		return err
	}
	for i, file := range spread(pdfs, 3) {
		page := filepath.Join(pages, fmt.Sprintf("scanned-%d", i+1))
		if message, err := exec.CommandContext(ctx, "pdftoppm", "-singlefile", "-r", "60", "-png", file, page).CombinedOutput(); err != nil { //nolint:gosec // names are made here
			return fmt.Errorf("pdftoppm: %w: %s", err, message)
		}
	}
	pictures, err := filepath.Glob(filepath.Join(pages, "*.png"))
	if err != nil {
		return err
	}
	if err := Convert(ctx, "pdf", filepath.Join(a.dir, "closed"), nil, pictures); err != nil {
		return err
	}
	documents, err := filepath.Glob(filepath.Join(a.dir, "manuals", "*.docx"))
	if err != nil {
		return err
	}
	locked := `pdf:writer_pdf_Export:{"EncryptFile":{"type":"boolean","value":"true"},"DocumentOpenPassword":{"type":"string","value":"x"}}`
	return Convert(ctx, locked, filepath.Join(a.dir, "closed"), nil, spread(documents, 1))
}

// Convert has LibreOffice write files in another format into a folder.
func Convert(ctx context.Context, to, out string, args, files []string) error {
	if len(files) == 0 {
		return fmt.Errorf("nothing to write as %s", to)
	}
	// A folder of its own for its settings: another that runs would do its work.
	profile, err := os.MkdirTemp("", "corpus-profile")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(profile) }() // settings that nobody needs
	args = slices.Concat([]string{"-env:UserInstallation=file://" + profile, "--headless"}, args, []string{"--convert-to", to, "--outdir", out}, files)
	if message, err := exec.CommandContext(ctx, "soffice", args...).CombinedOutput(); err != nil { //nolint:gosec // names are made here
		return fmt.Errorf("soffice: write %s: %w: %s", to, err, message)
	}
	written, err := os.ReadDir(out)
	if err == nil && len(written) < len(files) {
		err = fmt.Errorf("soffice: %d of %d files were written as %s", len(written), len(files), to)
	}
	return err
}

// archive packs some of the documents.
func (a *assembly) archive() error {
	files, err := List(a.dir)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, name := range spread(files, 12) {
		content, err := os.ReadFile(filepath.Join(a.dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		f, err := w.Create(name)
		if err != nil {
			return err
		}
		if _, err := f.Write(content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return a.write("some.zip", packed.Bytes())
}
