package schema_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"leat.dev/internal/registry/schema"
)

// The scripts in testdata are tests and the description of the rules at once. A case begins with "=== verb TYPE
// [words]: what it shows"; lines of dashes divide its parts, the last part is what happens:
//
//	canonical TYPE [normalize] [stored] [validateFields]   text -> canonical text, or why it is refused
//	format TYPE name                                       text -> text in that format
//	check TYPE LEVEL [lenient]                             old text, new text -> messages, or "compatible"
//	same TYPE                                              one text, another -> whether they are equivalent
//
// A part that begins with "-- ref NAME" is the text of a referenced schema for all other texts; "-- oldref NAME"
// is one for the first text alone. Run with -rewrite to record what happens now.
var rewrite = flag.Bool("rewrite", false, "rewrite the expectations in testdata")

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cases := strings.Split("\n"+string(data), "\n=== ")
	out := strings.TrimPrefix(cases[0], "\n")
	for i, c := range cases[1:] {
		head, body, _ := strings.Cut(c, "\n")
		sc := readCase(head, strings.TrimSuffix(body, "\n"))
		got := sc.run()
		if got != sc.want && !*rewrite {
			t.Errorf("%s: %s\ngot\n%s\nwant\n%s", file, head, got, sc.want)
		}
		if out != "" || i > 0 {
			out += "\n"
		}
		out += "=== " + head + "\n" + sc.input + "----\n" + got + "\n"
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

type scriptCase struct {
	words       []string
	texts       []string
	refs        []schema.Dependency
	oldRefs     []schema.Dependency
	input, want string
}

func readCase(head, body string) *scriptCase {
	command, _, _ := strings.Cut(head, ":")
	c := &scriptCase{words: strings.Fields(command)}
	input, want, _ := strings.Cut(body+"\n", "\n----\n")
	c.input, c.want = input+"\n", strings.TrimRight(want, "\n")
	for part := range strings.SplitSeq("\n"+input, "\n-- ") {
		head, text, _ := strings.Cut(part, "\n")
		words := strings.Fields(head)
		switch {
		case len(words) == 2 && words[0] == "ref":
			c.refs = append(c.refs, schema.Dependency{Name: words[1], Text: text})
			c.oldRefs = append(c.oldRefs, schema.Dependency{Name: words[1], Text: text})
		case len(words) == 2 && words[0] == "oldref":
			c.oldRefs = append(c.oldRefs, schema.Dependency{Name: words[1], Text: text})
		case len(words) == 2 && words[0] == "newref":
			c.refs = append(c.refs, schema.Dependency{Name: words[1], Text: text})
		default:
			c.texts = append(c.texts, text)
		}
	}
	return c
}

func (c *scriptCase) has(word string) bool {
	for _, w := range c.words[2:] {
		if w == word {
			return true
		}
	}
	return false
}

func (c *scriptCase) parse(text string, refs []schema.Dependency) (*schema.Schema, error) {
	return schema.Parse(schema.Source{Type: schema.Type(c.words[1]), Text: text, Dependencies: refs},
		schema.Options{New: !c.has("stored"), Normalize: c.has("normalize"), ValidateFields: c.has("validateFields")})
}

func refusal(err error) string {
	var invalid *schema.InvalidError
	if errors.As(err, &invalid) && invalid.Parsed {
		return "refused after parsing: " + invalid.Details
	}
	return "refused: " + err.Error()
}

func (c *scriptCase) run() string {
	var parsed []*schema.Schema
	for i, text := range c.texts {
		refs := c.refs
		if i == 0 && len(c.texts) > 1 {
			refs = c.oldRefs
		}
		s, err := c.parse(text, refs)
		if err != nil {
			return refusal(err)
		}
		parsed = append(parsed, s)
	}
	switch c.words[0] {
	case "canonical":
		return strings.TrimSuffix(parsed[0].Text(), "\n")
	case "format":
		text, err := parsed[0].Format(c.words[2])
		if err != nil {
			return refusal(err)
		}
		return strings.TrimSuffix(text, "\n")
	case "same":
		return fmt.Sprint(parsed[0].Equivalent(parsed[1]))
	}
	opt := schema.CheckOptions{Level: schema.Level(c.words[2])}
	if c.has("lenient") {
		opt.Policy = schema.Lenient
	}
	var previous []schema.Previous
	last := len(parsed) - 1
	for i := last - 1; i >= 0; i-- {
		previous = append(previous, schema.Previous{Version: i + 1, Schema: parsed[i]})
	}
	var shown []string
	for _, message := range schema.Check(parsed[last], previous, opt) {
		if !strings.HasPrefix(message, "{oldSchema:") && !strings.HasPrefix(message, "{validateFields:") {
			shown = append(shown, message)
		}
	}
	if len(shown) == 0 {
		return "compatible"
	}
	return strings.Join(shown, "\n")
}
