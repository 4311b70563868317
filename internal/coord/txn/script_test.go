package txn

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"leat.dev/internal/coord/script"
)

// The scripts in testdata/ are tests and the description of this package at once
// (the language is described in coord/script). Requests are numbered #1, #2, ...
// in order; one without a reply yet is "parked". Records written show as "append",
// markers sent to partitions as "mark": they succeed at once, unless the script
// says "markers manual" and answers each with "marked". Producer ids count from 1.
// Run with -rewrite to record what happens now.
//
// Scripts in testdata/live also run against Apache Kafka (see live_test.go): what
// they expect is what Kafka answered and wrote.
var rewrite = flag.Bool("rewrite", false, "rewrite the expectations in testdata")

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
	happened := script.Run(string(text), w.do, report)
	if *rewrite {
		if err := os.WriteFile(file, []byte(happened), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
