package tree_test

import (
	"fmt"
	"go/ast"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// guaranteesPage is the contract whose clauses are headings such as
// "### G1 An accepted job is kept".
const guaranteesPage = "docs/guarantees.md"

var (
	clauseHeading = regexp.MustCompile(`(?m)^#{2,4} (G[0-9]+)\b`)

	// citation is a line of a comment such as "Guarantee: G1." or, for several,
	// "Guarantees: G1, G2.", as it reads without the slashes.
	citation = regexp.MustCompile(`(?m)^Guarantees?: (.*?)\.?$`)
	clauseID = regexp.MustCompile(`^G[0-9]+$`)
	testName = regexp.MustCompile(`^(Test|Fuzz)`)
)

func TestEachGuaranteeIsHeldByATest(t *testing.T) {
	t.Parallel()
	checkTree(t, unheldGuarantees)
}

// unheldGuarantees compares the clauses of the guarantees with the tests that
// cite them, in both directions. A citation counts in the comment above a test
// or inside of it.
func unheldGuarantees(fsys fs.FS) ([]string, error) {
	page, err := fs.ReadFile(fsys, guaranteesPage)
	if err != nil {
		return nil, err
	}
	held := map[string]bool{} // clause -> cited by a test
	var findings []string
	for _, m := range clauseHeading.FindAllStringSubmatch(string(page), -1) {
		if _, ok := held[m[1]]; ok {
			findings = append(findings, fmt.Sprintf("%s: %s stands there twice", guaranteesPage, m[1]))
		}
		held[m[1]] = false
	}
	if len(held) == 0 {
		findings = append(findings, guaranteesPage+": no clause has a heading such as \"### G1 An accepted job is kept\"")
	}
	files, err := goFiles(fsys)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		for _, comment := range f.tree.Comments {
			for _, m := range citation.FindAllStringSubmatch(comment.Text(), -1) {
				findings = append(findings, cite(f, comment, m[1], held)...)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(held)) {
		if !held[id] {
			findings = append(findings, fmt.Sprintf("%s: no test says %q", guaranteesPage, "// Guarantee: "+id+"."))
		}
	}
	return findings, nil
}

// cite marks the clauses of one citation as held, or says why they are not.
func cite(f goFile, comment *ast.CommentGroup, ids string, held map[string]bool) []string {
	if !insideTest(f, comment) {
		return []string{f.at(comment.Pos()) + ": a guarantee is cited outside of a test"}
	}
	var findings []string
	for id := range strings.SplitSeq(ids, ", ") {
		_, ok := held[id]
		switch {
		case !clauseID.MatchString(id):
			findings = append(findings, fmt.Sprintf("%s: cannot read guarantee %q; write them as \"G1, G2.\"", f.at(comment.Pos()), id))
		case !ok:
			findings = append(findings, fmt.Sprintf("%s: guarantee %s does not exist in %s", f.at(comment.Pos()), id, guaranteesPage))
		default:
			held[id] = true
		}
	}
	return findings
}

// insideTest reports whether a comment belongs to a function that go test runs.
func insideTest(f goFile, comment *ast.CommentGroup) bool {
	if !isTest(f.path) {
		return false
	}
	for _, decl := range f.tree.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || !testName.MatchString(fn.Name.Name) {
			continue
		}
		if comment == fn.Doc || fn.Pos() <= comment.Pos() && comment.End() <= fn.End() {
			return true
		}
	}
	return false
}

func TestUnheldGuaranteesFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	got, err := unheldGuarantees(plant(map[string]string{
		guaranteesPage: "# Guarantees\n\n### G1 Kept\n\n### G2 Paid once\n\n### G3 Ends\n\n### G4 Forgotten\n\n### G1 Again\n",
		"a/a.go":       "package a\n\n// F does. Guarantees: none.\n//\n// Guarantee: G4.\nfunc F() {}\n",
		"a/a_test.go": "package a\n\n// TestA tests.\n//\n// Guarantees: G1, G2.\nfunc TestA(t *testing.T) {\n\t// Guarantee: G3\n\tf()\n}\n\n" +
			"// Guarantee: G9.\nfunc TestB(t *testing.T) {}\n\n// Guarantee: G1 and G2.\nfunc TestC(t *testing.T) {}\n\n// Guarantee: G4.\nfunc helper() {}\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docs/guarantees.md: G1 stands there twice",
		"a/a.go:3: a guarantee is cited outside of a test",
		"a/a_test.go:11: guarantee G9 does not exist in docs/guarantees.md",
		`a/a_test.go:14: cannot read guarantee "G1 and G2"; write them as "G1, G2."`,
		"a/a_test.go:17: a guarantee is cited outside of a test",
		`docs/guarantees.md: no test says "// Guarantee: G4."`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
