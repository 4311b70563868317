package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

const module = "leat.dev"

// A file is one parsed Go source file of the module.
type file struct {
	path  string // from the module root, "/"-separated
	dir   string
	test  bool
	lines int
	fset  *token.FileSet
	tree  *ast.File
}

// A use is one selector pkg.Name that refers to an imported package.
type use struct {
	pkg, name string
	line      int
}

// load parses every Go file of the module below root. Nested modules (tools, interop clients with a go.mod
// of their own), testdata and generated folders are not part of the house.
func load(root string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			return enter(root, p, rel, d.Name())
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		f, err := parse(rel, p)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

func enter(root, p, rel, name string) error {
	if rel == "." {
		return nil
	}
	// What begins with . or _ is no package to Go either; a test may be writing one at this moment.
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules" || name == "bin" || name == "work" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

func parse(rel, p string) (file, error) {
	src, err := os.ReadFile(p)
	if err != nil {
		return file{}, err
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, rel, src, parser.ParseComments)
	if err != nil {
		return file{}, fmt.Errorf("parse: %w", err)
	}
	return file{
		path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"),
		lines: bytes.Count(src, []byte("\n")), fset: fset, tree: tree,
	}, nil
}

// imports returns the file's import paths with the line of each.
func (f file) imports() map[string]int {
	m := map[string]int{}
	for _, s := range f.tree.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			continue // the parser has checked it
		}
		m[p] = f.fset.Position(s.Pos()).Line
	}
	return m
}

// uses returns the selectors on imported packages. A local variable that shadows a package is told apart
// by the parser's own scopes, which is enough for a lint of this kind.
func (f file) uses() []use {
	names := map[string]string{}
	for _, s := range f.tree.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p)
		if strings.HasPrefix(name, "v") && len(name) == 2 { // math/rand/v2 is package rand
			name = path.Base(path.Dir(p))
		}
		if s.Name != nil {
			name = s.Name.Name
		}
		names[name] = p
	}
	var out []use
	ast.Inspect(f.tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := sel.X.(*ast.Ident)
		if !ok || id.Obj != nil {
			return true
		}
		if p, ok := names[id.Name]; ok {
			out = append(out, use{pkg: p, name: sel.Sel.Name, line: f.fset.Position(sel.Pos()).Line})
		}
		return true
	})
	return out
}

// roomOf finds the room with the longest path that holds dir.
func roomOf(dir string) (room, bool) {
	var best room
	for _, r := range rooms {
		if inside(dir, r.path) && len(r.path) > len(best.path) {
			best = r
		}
	}
	return best, best.path != ""
}

func inside(dir, folder string) bool {
	return dir == folder || strings.HasPrefix(dir, folder+"/")
}

func insideAny(dir string, folders []string) bool {
	for _, f := range folders {
		if inside(dir, f) {
			return true
		}
	}
	return false
}

// standard reports whether an import path is of the standard library: its first element has no dot.
func standard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".")
}

func median(n []int) int {
	if len(n) == 0 {
		return 0
	}
	s := append([]int{}, n...)
	sort.Ints(s)
	return s[len(s)/2]
}
