package engine

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the code answers into the scripts of testdata")

// runScripts runs testdata/dir/*.txt. A script is lines of commands, each with its answer behind " => "; # begins a comment.
func runScripts(t *testing.T, dir string, begin func(t *testing.T) func(words []string) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			run := begin(t)
			lines := strings.Split(string(data), "\n")
			for i, line := range lines {
				command, want, _ := strings.Cut(line, " => ")
				if command == "" || strings.HasPrefix(command, "#") {
					continue
				}
				got := run(strings.Fields(command))
				if got != want && !*rewrite {
					t.Errorf("%s:%d: %s\n\tgot  %s\n\twant %s", name, i+1, command, got, want)
				}
				lines[i] = strings.TrimSpace(command)
				if got != "" {
					lines[i] += " => " + got
				}
			}
			if *rewrite {
				if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
