package streams

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table of Kafka Streams' settings names options that exist, and each option of an app is in it or has no equal there.
func TestConfigTable(t *testing.T) {
	raw, err := os.ReadFile("../docs/guide/streams-configs.md")
	if err != nil {
		t.Fatal(err)
	}
	options, ofApps := optionsDeclared(t)
	named := map[string]bool{}
	quoted := regexp.MustCompile("`([A-Za-z.*_]+)`")
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(line, "|--") {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			if name := m[1]; name[0] >= 'A' && name[0] <= 'Z' {
				named[name] = true
				if !options[name] && name != "New" {
					t.Errorf("%s names the option %s, which does not exist", strings.TrimSpace(cells[1]), name)
				}
			}
		}
	}
	ownOnly := map[string]bool{ // of ours alone, or what Kafka Streams has as a method
		"Logger": true, "OnRestore": true, "OnClose": true,
	}
	for name := range ofApps {
		if !named[name] && !ownOnly[name] && !strings.HasPrefix(name, "Serve") {
			t.Errorf("option %s is not in the table", name)
		}
	}
}

// optionsDeclared are the exported functions of this package that return options, and those among them of apps.
func optionsDeclared(t *testing.T) (all, ofApps map[string]bool) {
	t.Helper()
	all, ofApps = map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
				continue
			}
			id, ok := f.Type.Results.List[0].Type.(*ast.Ident)
			if ok && strings.HasSuffix(id.Name, "Option") {
				all[f.Name.Name] = true
				if id.Name == "AppOption" {
					ofApps[f.Name.Name] = true
				}
			}
		}
	}
	return all, ofApps
}
