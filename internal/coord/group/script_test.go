package group

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// block is one command of a script.
type block struct {
	comment []string // lines before the command, as they stand
	command string
	expect  string
}

func parseScript(t *testing.T, text string) (blocks []block, tail []string) {
	t.Helper()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var comment []string
	for i := 0; i < len(lines); {
		line := lines[i]
		if line == "" || strings.HasPrefix(line, "#") {
			comment = append(comment, line)
			i++
			continue
		}
		b := block{comment: comment, command: line}
		comment = nil
		i++
		if i < len(lines) && lines[i] == "----" {
			i++
			for i < len(lines) && lines[i] != "" {
				b.expect += lines[i] + "\n"
				i++
			}
		}
		blocks = append(blocks, b)
	}
	return blocks, comment
}

func formatScript(blocks []block, tail []string) string {
	var w strings.Builder
	for _, b := range blocks {
		for _, c := range b.comment {
			w.WriteString(c + "\n")
		}
		w.WriteString(b.command + "\n----\n" + b.expect)
	}
	for _, c := range tail {
		w.WriteString(c + "\n")
	}
	return w.String()
}

// command is a parsed command line.
type command struct {
	verb string
	args []string
	opts map[string]string
}

func parseCommand(line string) command {
	c := command{opts: map[string]string{}}
	for i, f := range strings.Fields(line) {
		switch k, v, ok := strings.Cut(f, "="); {
		case i == 0:
			c.verb = f
		case ok:
			c.opts[k] = v
		default:
			c.args = append(c.args, f)
		}
	}
	return c
}

func (c command) arg(i int) string {
	if i < len(c.args) {
		return unquote(c.args[i])
	}
	return ""
}

// str reads an option; a lone "-" stands for the empty string.
func (c command) str(name, missing string) string {
	if v, ok := c.opts[name]; ok {
		return unquote(v)
	}
	return missing
}

func unquote(s string) string {
	switch {
	case s == "-":
		return ""
	case strings.HasPrefix(s, "LONG"): // too long for a record
		return strings.Repeat("x", 1<<15) + s[4:]
	}
	return s
}

func (c command) ptr(name string) *string {
	if v, ok := c.opts[name]; ok {
		v = unquote(v)
		return &v
	}
	return nil
}

func (c command) int(name string, missing int64) int64 {
	v, ok := c.opts[name]
	if !ok {
		return missing
	}
	var n int64
	if _, err := fmt.Sscan(v, &n); err != nil {
		panic(fmt.Sprintf("%s=%s: %v", name, v, err))
	}
	return n
}

func (c command) duration(name string, missing time.Duration) time.Duration {
	v, ok := c.opts[name]
	if !ok {
		return missing
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		panic(err)
	}
	return d
}

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
	blocks, tail := parseScript(t, string(text))
	w := newWorld(t)
	for i := range blocks {
		got := w.do(parseCommand(blocks[i].command))
		if *rewrite {
			blocks[i].expect = got
		} else if got != blocks[i].expect {
			t.Errorf("%s\nhappened:\n%sexpected:\n%s", blocks[i].command, got, blocks[i].expect)
		}
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(formatScript(blocks, tail)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
