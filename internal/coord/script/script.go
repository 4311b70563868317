// Package script is the language that the coordinators' tests are written in. A
// script is a sequence of blocks
//
//	verb argument key=value ...
//	----
//	what happens
//
// separated by blank lines; lines starting with # are commentary. Only tests
// import it.
package script

import (
	"fmt"
	"strings"
	"time"
)

// Block is one command of a script.
type Block struct {
	Comment []string // lines before the command, as they stand
	Command string
	Expect  string
}

// Parse takes a script apart; tail are the lines after its last block.
func Parse(text string) (blocks []Block, tail []string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var comment []string
	for i := 0; i < len(lines); {
		line := lines[i]
		if line == "" || strings.HasPrefix(line, "#") {
			comment = append(comment, line)
			i++
			continue
		}
		b := Block{Comment: comment, Command: line}
		comment = nil
		i++
		if i < len(lines) && lines[i] == "----" {
			i++
			for i < len(lines) && lines[i] != "" {
				b.Expect += lines[i] + "\n"
				i++
			}
		}
		blocks = append(blocks, b)
	}
	return blocks, comment
}

// Format puts a script together again.
func Format(blocks []Block, tail []string) string {
	var w strings.Builder
	for _, b := range blocks {
		for _, c := range b.Comment {
			w.WriteString(c + "\n")
		}
		w.WriteString(b.Command + "\n----\n" + b.Expect)
	}
	for _, c := range tail {
		w.WriteString(c + "\n")
	}
	return w.String()
}

// Command is a parsed command line.
type Command struct {
	Verb string
	Args []string
	Opts map[string]string
}

// ParseCommand takes a command line apart.
func ParseCommand(line string) Command {
	c := Command{Opts: map[string]string{}}
	for i, f := range strings.Fields(line) {
		switch k, v, ok := strings.Cut(f, "="); {
		case i == 0:
			c.Verb = f
		case ok:
			c.Opts[k] = v
		default:
			c.Args = append(c.Args, f)
		}
	}
	return c
}

// Arg returns an argument, empty if there is none.
func (c Command) Arg(i int) string {
	if i < len(c.Args) {
		return Unquote(c.Args[i])
	}
	return ""
}

// Str reads an option; a lone "-" stands for the empty string.
func (c Command) Str(name, missing string) string {
	if v, ok := c.Opts[name]; ok {
		return Unquote(v)
	}
	return missing
}

// Unquote reads a word: a lone "-" stands for the empty string, LONG at its start
// for more bytes than a record's string can hold.
func Unquote(s string) string {
	switch {
	case s == "-":
		return ""
	case strings.HasPrefix(s, "LONG"):
		return strings.Repeat("x", 1<<15) + s[4:]
	}
	return s
}

// Ptr reads an option that may be missing.
func (c Command) Ptr(name string) *string {
	if v, ok := c.Opts[name]; ok {
		v = Unquote(v)
		return &v
	}
	return nil
}

// Int reads a number; one that is none panics.
func (c Command) Int(name string, missing int64) int64 {
	v, ok := c.Opts[name]
	if !ok {
		return missing
	}
	var n int64
	if _, err := fmt.Sscan(v, &n); err != nil {
		panic(fmt.Sprintf("%s=%s: %v", name, v, err))
	}
	return n
}

// Duration reads a duration as Go writes them.
func (c Command) Duration(name string, missing time.Duration) time.Duration {
	v, ok := c.Opts[name]
	if !ok {
		return missing
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		panic(err)
	}
	return d
}

// Run carries out a script. do says what happens after each command; what differs
// from the script is reported. It returns the script with what happened in place
// of what was expected.
func Run(text string, do func(Command) string, report func(format string, args ...any)) string {
	blocks, tail := Parse(text)
	for i := range blocks {
		got := do(ParseCommand(blocks[i].Command))
		if got != blocks[i].Expect {
			report("%s\nhappened:\n%sexpected:\n%s", blocks[i].Command, got, blocks[i].Expect)
		}
		blocks[i].Expect = got
	}
	return Format(blocks, tail)
}
