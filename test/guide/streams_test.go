package guide

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The Go blocks of the page on streams, each named by its first line, are a package that compiles and whose tests pass.
func TestStreamsPageIsAProgram(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(guideDir, "streams.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	// The package must be one of this module; what begins with _ is not found by patterns like ./...
	dir, err := os.MkdirTemp(".", "_page") //nolint:usetesting // t.TempDir is outside of the module
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // nothing depends on it
	for _, b := range blocks(lines) {
		if b.kind != "go" {
			continue
		}
		name, ok := strings.CutPrefix(lines[b.first], "// ")
		if !ok || !strings.HasSuffix(name, ".go") {
			t.Fatalf("streams.md:%d: the block does not begin with the name of its file", b.first+1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines[b.first+1:b.last], "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "test", "./"+dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
