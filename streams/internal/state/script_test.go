package state

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the layouts answer into the scripts")

// script is a file of operations, each with its answer behind "=>"; lines that
// begin with # are comments.
type script struct {
	lines   []string // as they are
	ops     []string // "" for comments and empty lines
	answers []string
}

func readScript(t *testing.T, name string) script {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := script{lines: strings.Split(strings.TrimRight(string(b), "\n"), "\n")}
	for _, line := range s.lines {
		op, answer, _ := strings.Cut(line, "=>")
		if strings.HasPrefix(line, "#") {
			op = ""
		}
		s.ops = append(s.ops, strings.TrimSpace(op))
		s.answers = append(s.answers, strings.TrimSpace(answer))
	}
	return s
}

// TestScripts runs testdata's scripts on memory and on Pebble. -rewrite writes
// what Pebble answers.
func TestScripts(t *testing.T) {
	names, _ := filepath.Glob("testdata/*.txt")
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			s := readScript(t, name)
			backends(t, func(t *testing.T, disk bool) {
				l := &layouts{t: t, world: newWorld(t, disk)}
				defer l.world.close()
				for i, op := range s.ops {
					if op == "" {
						continue
					}
					got := l.run(op)
					if *rewrite && disk {
						s.lines[i] = op + " => " + got
					} else if got != s.answers[i] && !*rewrite {
						t.Errorf("%s:%d: %s\n got  %s\n want %s", name, i+1, op, got, s.answers[i])
					}
				}
			})
			if *rewrite {
				if err := os.WriteFile(name, []byte(strings.Join(s.lines, "\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestScriptsAsKafka asks Kafka's stores the same, where there is such a store.
func TestScriptsAsKafka(t *testing.T) {
	j := startJava(t)
	for _, name := range []string{"window", "session", "versioned"} {
		s := readScript(t, "testdata/"+name+".txt")
		var ops, want []string
		for i, op := range s.ops {
			switch op {
			case "", "commit", "reopen", "observed":
			default:
				ops, want = append(ops, op), append(want, s.answers[i])
			}
		}
		for i, got := range j.run(ops) {
			if got != want[i] {
				t.Errorf("%s.txt: %s\n Kafka  %s\n script %s", name, ops[i], got, want[i])
			}
		}
	}
}
