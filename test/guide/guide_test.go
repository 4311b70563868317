// Package guide runs the user guide: every block marked sh on its pages, in order, against a broker started for the
// page. A block marked output that follows one must be what it wrote, apart from times and identifiers. With
// -update such blocks are written anew.
package guide

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leat.dev/test/launch"
	"leat.dev/test/shell"
)

var update = flag.Bool("update", false, "write the pages' output blocks anew")

const guideDir = "../../docs/guide"

func TestMain(m *testing.M) { shell.TestMain(m) }

// block is a fenced block of a page.
type block struct {
	kind        string
	first, last int // lines of its content: first included, last not
}

func blocks(lines []string) []block {
	var out []block
	open := false
	for i, l := range lines {
		switch {
		case !strings.HasPrefix(l, "```"):
		case open:
			out[len(out)-1].last = i
			open = false
		default:
			out = append(out, block{kind: strings.TrimPrefix(l, "```"), first: i + 1})
			open = true
		}
	}
	return out
}

func TestGuide(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(guideDir, "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) { run(t, page) })
	}
}

func run(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s, err := shell.New(ctx, launch.Leat, t.TempDir(), "bash")
	if errors.Is(err, launch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if strings.Contains(string(text), "leat schema ") {
		if err := s.StartRegistry(ctx); err != nil {
			t.Fatal(err)
		}
	}

	lines := strings.Split(string(text), "\n")
	var got string
	var changed []block
	outputs := map[int]string{}
	for _, b := range blocks(lines) {
		body := strings.Join(lines[b.first:b.last], "\n")
		switch b.kind {
		case "sh":
			out, code, err := s.Run(ctx, "set -euo pipefail\n"+body)
			if err != nil || code != 0 {
				t.Fatalf("%s:%d: exit code %d, %v\n%s\n%s", page, b.first, code, err, body, out)
			}
			got = strings.TrimRight(out, "\n")
		case "output":
			if s.Normalize(got) != s.Normalize(body) {
				changed = append(changed, b)
				outputs[b.first] = got
				if !*update {
					t.Errorf("%s:%d\n--- the page says\n%s\n--- the commands wrote\n%s", page, b.first, body, got)
				}
			}
		}
	}
	if !*update || len(changed) == 0 {
		return
	}
	for i := len(changed) - 1; i >= 0; i-- {
		b := changed[i]
		lines = append(lines[:b.first:b.first], append(strings.Split(outputs[b.first], "\n"), lines[b.last:]...)...)
	}
	if err := os.WriteFile(page, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}
