package group

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"leat.dev/internal/coord/script"
)

// The scripts in testdata/ are tests and the description of this package at once.
// A script is a sequence of blocks
//
//	verb argument key=value ...
//	----
//	what happens
//
// separated by blank lines; lines starting with # are commentary. Requests are
// numbered #1, #2, ... in order; their replies show the number, and a request
// that gets no reply yet is "parked". Records written show as "append". Member
// ids end in a counter instead of a UUID. Run with -rewrite to record what
// happens now.
//
// Scripts in testdata/live also run against Apache Kafka (see live_test.go): what
// they expect is what Kafka answered.
var rewrite = flag.Bool("rewrite", false, "rewrite the expectations in testdata")

// command is a command line with the requests it stands for.
type command struct{ script.Command }

func parseCommand(line string) command { return command{script.ParseCommand(line)} }

func TestScripts(t *testing.T) {
	for _, dir := range []string{"testdata", "testdata/live"} {
		files, err := filepath.Glob(dir + "/*.txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(file, ".txt"), func(t *testing.T) { runScript(t, file) })
		}
	}
}

func runScript(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	report := t.Errorf
	if *rewrite {
		report = func(string, ...any) {}
	}
	happened := script.Run(string(text), func(c script.Command) string { return w.do(command{c}) }, report)
	if *rewrite {
		if err := os.WriteFile(file, []byte(happened), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
