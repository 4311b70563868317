package arch

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func tree(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no Go files under %s", root)
	}
	return files
}

func TestImports(t *testing.T) {
	for _, f := range tree(t) {
		checkImports(t.Errorf, f)
	}
}

type report func(format string, args ...any)

func checkImports(fail report, f file) {
	r, ok := roomOf(f.dir)
	if !ok {
		fail("%s: %s is in no room: add it to the table in test/arch/rules.go with what it may import and why", f.path, f.dir)
		return
	}
	for p, line := range f.imports() {
		switch {
		case standard(p):
		case p == module || strings.HasPrefix(p, module+"/"):
			checkRoom(fail, f, r, strings.TrimPrefix(strings.TrimPrefix(p, module), "/"), line)
		default:
			checkModule(fail, f, r, p, line)
		}
	}
}

func checkRoom(fail report, f file, r room, dir string, line int) {
	to, ok := roomOf(dir)
	switch {
	case !ok:
		fail("%s:%d: imports %s, which is in no room of test/arch/rules.go", f.path, line, dir)
	case to.path == r.path || slices.Contains(r.imports, to.path):
	default:
		fail("%s:%d: %s must not import %s.\n\t%s\n\tAllowed: %v. Think about the layering before changing test/arch/rules.go.",
			f.path, line, r.path, dir, r.why, r.imports)
	}
}

func checkModule(fail report, f file, r room, p string, line int) {
	allowed := r.modules
	if f.test {
		allowed = slices.Concat(allowed, testModules)
	}
	for _, m := range allowed {
		if inside(p, m) {
			return
		}
	}
	fail("%s:%d: %s must not import %s.\n\t%s\n\tModules allowed here: %v. A new one needs a line in test/arch/rules.go and its reason in docs/adr/0005-dependencies.md.",
		f.path, line, r.path, p, r.why, allowed)
}

func TestBans(t *testing.T) {
	for _, f := range tree(t) {
		checkBans(t.Errorf, f)
	}
}

func checkBans(fail report, f file) {
	imports := f.imports()
	uses := f.uses()
	for _, b := range bans {
		if f.test && !b.tests {
			continue
		}
		if !f.test && insideAny(f.dir, b.allowed) {
			continue
		}
		if _, ok := imports[b.unless]; ok {
			continue
		}
		if b.names == nil {
			if line, ok := imports[b.pkg]; ok {
				fail("%s:%d: imports %s: %s", f.path, line, b.pkg, b.why)
			}
			continue
		}
		for _, u := range uses {
			if u.pkg == b.pkg && slices.Contains(b.names, u.name) {
				fail("%s:%d: %s.%s: %s", f.path, u.line, b.pkg, u.name, b.why)
			}
		}
	}
}

// TestCyclesInTable keeps the table itself honest: imports between rooms point down.
func TestCyclesInTable(t *testing.T) {
	byPath := map[string]room{}
	for _, r := range rooms {
		if r.why == "" {
			t.Errorf("%s: a rule without a reason", r.path)
		}
		byPath[r.path] = r
	}
	var visit func(path string, trail []string)
	visit = func(path string, trail []string) {
		if slices.Contains(trail, path) {
			t.Fatalf("rooms import each other: %v", append(trail, path))
		}
		r, ok := byPath[path]
		if !ok {
			t.Fatalf("%v lists %s, which is no room", trail, path)
		}
		for _, p := range r.imports {
			visit(p, append(trail, path))
		}
	}
	for _, r := range rooms {
		visit(r.path, nil)
	}
}

func TestFileSize(t *testing.T) {
	var sizes []int
	for _, f := range tree(t) {
		sizes = append(sizes, f.lines)
		if f.lines > fileLinesMax {
			t.Errorf("%s has %d lines, the ceiling is %d: split it by what its parts do", f.path, f.lines, fileLinesMax)
		}
	}
	if m := median(sizes); m > fileLinesMedianMax {
		t.Errorf("the median file has %d lines, more than %d: files have grown too long everywhere", m, fileLinesMedianMax)
	}
}

func TestPackageComments(t *testing.T) {
	said := map[string]bool{}
	shipped := map[string]string{}
	for _, f := range tree(t) {
		if f.tree.Doc != nil && strings.TrimSpace(f.tree.Doc.Text()) != "" {
			said[f.dir] = true
		}
		if shipped[f.dir] == "" || !f.test {
			shipped[f.dir] = f.path
		}
	}
	for dir, example := range shipped {
		if !said[dir] {
			t.Errorf("%s (%s ...) has no package comment: say its purpose, who owns its goroutines, what it does not do, where its format is described", dir, example)
		}
	}
}
