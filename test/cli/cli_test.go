// Package cli tests the one program over TCP: scripts in testdata hold commands and what they must write. Each runs
// twice, the second time with the broker killed and started again before every command. With -update the scripts are
// written anew from what happens; with LEAT_CLI_BROKER=kafka they run against Apache Kafka instead.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"leat.dev/test/launch"
	"leat.dev/test/shell"
)

var update = flag.Bool("update", false, "write the scripts' outputs anew")

func TestMain(m *testing.M) { shell.TestMain(m) }

// block is a command and its output, with the comments above it.
type block struct {
	comment string
	command string
	output  string
}

// parse reads a script: comments begin with #, commands with $; the rest is output.
func parse(text string) []block {
	var blocks []block
	var comment []string
	var current *block
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "$ "):
			blocks = append(blocks, block{comment: strings.Join(comment, "\n"), command: line[2:]})
			current, comment = &blocks[len(blocks)-1], nil
		case strings.HasPrefix(line, "#"):
			comment = append(comment, line)
			current = nil
		case current != nil:
			current.output += line + "\n"
		}
	}
	for i := range blocks {
		blocks[i].output = strings.TrimRight(blocks[i].output, "\n")
	}
	return blocks
}

func format(blocks []block) string {
	var b strings.Builder
	for i, k := range blocks {
		if i > 0 {
			b.WriteString("\n")
		}
		if k.comment != "" {
			b.WriteString(k.comment + "\n")
		}
		b.WriteString("$ " + k.command + "\n")
		if k.output != "" {
			b.WriteString(k.output + "\n")
		}
	}
	return b.String()
}

func TestScripts(t *testing.T) {
	kind := os.Getenv("LEAT_CLI_BROKER")
	if kind == "" {
		kind = launch.Leat
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if kind != launch.Leat && strings.HasPrefix(string(text), "# leat only") {
			continue
		}
		blocks := parse(string(text))
		t.Run(name, func(t *testing.T) {
			got := play(t, kind, blocks, false)
			if *update {
				if err := os.WriteFile(file, []byte(format(got)), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, blocks, got)
		})
		if kind == launch.Leat && !*update && !testing.Short() && !strings.Contains(string(text), "# no restarts") {
			t.Run(name+"/restarts", func(t *testing.T) { compare(t, blocks, play(t, kind, blocks, true)) })
		}
	}
}

func compare(t *testing.T, want, got []block) {
	t.Helper()
	for i := range want {
		if want[i].output != got[i].output {
			t.Errorf("$ %s\n--- want\n%s\n--- got\n%s\n", want[i].command, want[i].output, got[i].output)
		}
	}
}

// play runs a script's commands on a fresh broker.
func play(t *testing.T, kind string, blocks []block, restarts bool) []block {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s, err := shell.New(ctx, kind, t.TempDir(), "sh")
	if errors.Is(err, launch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if slices.ContainsFunc(blocks, func(b block) bool { return strings.Contains(b.command, "leat schema") }) {
		if err := s.StartRegistry(ctx); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]block, len(blocks))
	for i, b := range blocks {
		if restarts && i > 0 {
			if err := s.Restart(ctx); err != nil {
				t.Fatalf("before %q: %v", b.command, err)
			}
		}
		out, code, err := s.Run(ctx, b.command)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if code != 0 {
			out = strings.TrimRight(out, "\n") + fmt.Sprintf("\n[exit %d]", code)
		}
		got[i] = block{b.comment, b.command, strings.Trim(s.Normalize(out), "\n")}
	}
	return got
}
