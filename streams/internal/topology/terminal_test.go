package topology

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var rewrite = flag.Bool("rewrite", false, "write what the code gives into testdata")

func checkGolden(t *testing.T, path, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s: got\n%s", path, got)
	}
}

// The drawings of three programs, narrow and wide, were looked at.
func TestDrawings(t *testing.T) {
	for _, name := range []string{"orders", "join-left", "table-join-foreign-named", "join-global", "split"} {
		d := parsed(t, filepath.Join("..", "..", "testdata", "describe", name+".txt"))
		for _, width := range []int{60, 120} {
			checkGolden(t, fmt.Sprintf("testdata/drawings/%s-%d.txt", name, width), d.Terminal(width))
		}
		checkGolden(t, "testdata/drawings/"+name+".mmd", d.Mermaid())
		checkGolden(t, "testdata/drawings/"+name+".dot", d.DOT())
		checkGolden(t, "testdata/drawings/"+name+".json", d.JSON())
	}
}

func parsed(t *testing.T, path string) *Description {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDescription(string(raw))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return d
}

// randomGraph makes scripts of one topology, in which names are short enough not to be broken.
func randomGraph(t *rapid.T, nodesMax int) []string {
	var lines, parents, processors []string
	for i := range rapid.IntRange(1, nodesMax).Draw(t, "nodes") {
		kind := 0
		if i > 0 {
			kind = rapid.IntRange(0, 9).Draw(t, "kind")
		}
		name := fmt.Sprintf("n%d", i)
		if kind < 2 {
			lines = append(lines, fmt.Sprintf("source %s t%d", name, i))
			parents = append(parents, name)
			continue
		}
		from := rapid.SliceOfNDistinct(rapid.SampledFrom(parents), 1, min(4, len(parents)), rapid.ID).Draw(t, "parents")
		if kind < 8 {
			lines = append(lines, "processor "+name+" "+strings.Join(from, " "))
			parents = append(parents, name)
			processors = append(processors, name)
		} else {
			lines = append(lines, fmt.Sprintf("sink %s out%d %s", name, i, strings.Join(from, " ")))
		}
	}
	if len(processors) > 0 {
		for i := range rapid.IntRange(0, 3).Draw(t, "stores") {
			users := rapid.SliceOfNDistinct(rapid.SampledFrom(processors), 1, 2, rapid.ID).Draw(t, "users")
			lines = append(lines, fmt.Sprintf("store s%d %s", i, strings.Join(users, " ")))
		}
	}
	return lines
}

// Every arrow of a drawing can be followed from its box to the box it points to, and leads nowhere else.
func TestDrawingsCanBeFollowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topo, err := build(randomGraph(t, 14))
		if err != nil {
			t.Fatal(err)
		}
		width := rapid.IntRange(40, 160).Draw(t, "width")
		d := topo.Description()
		for i := range d.Subtopologies {
			g := &d.Subtopologies[i]
			text := draw(g, width, nil)
			got := follow(t, text)
			for _, n := range g.Nodes {
				want := slices.Sorted(slices.Values(n.To))
				if !slices.Equal(got[n.Name], want) {
					t.Fatalf("%s leads to %v, not to %v:\n%s", n.Name, got[n.Name], want, text)
				}
			}
		}
	})
}

type spot struct{ row, col int }

var steps = map[string]spot{"up": {-1, 0}, "down": {1, 0}, "left": {0, -1}, "right": {0, 1}}

var joints = map[rune][]string{
	'╵': {"up"}, '╷': {"down"}, '╯': {"up", "left"}, '╮': {"down", "left"}, '┤': {"up", "down", "left"},
	'╰': {"up", "right"}, '╭': {"down", "right"}, '├': {"up", "down", "right"}, '┴': {"up", "left", "right"},
	'┬': {"down", "left", "right"}, '┼': {"up", "down", "left", "right"},
}

var opposite = map[string]string{"up": "down", "down": "up", "left": "right", "right": "left"}

// follow reads a drawing: the names to which each box leads, sorted.
func follow(t *rapid.T, text string) map[string][]string {
	var lines [][]rune
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, []rune(line))
	}
	at := func(s spot) rune {
		if s.row < 0 || s.row >= len(lines) || s.col < 0 || s.col >= len(lines[s.row]) {
			return ' '
		}
		return lines[s.row][s.col]
	}
	type frame struct {
		name        string
		left, right int
		top, bottom int
	}
	var frames []frame
	for r, line := range lines {
		for c := range line {
			rest := string(line[c:])
			for _, kind := range []string{"source", "processor", "sink"} {
				if strings.HasPrefix(rest, "╭─ "+kind+" ") {
					f := frame{left: c, right: c + len([]rune(rest[:strings.Index(rest, "╮")])), top: r}
					name := string(lines[r+1][c+2 : f.right])
					f.name = strings.TrimSpace(name)
					for f.bottom = r; at(spot{f.bottom, c}) != '╰'; f.bottom++ {
					}
					frames = append(frames, f)
				}
			}
		}
	}
	out := map[string][]string{}
	for _, f := range frames {
		seen := map[string]bool{}
		found := map[string]bool{}
		var walk func(s spot, dir string)
		walk = func(s spot, dir string) {
			s = spot{s.row + steps[dir].row, s.col + steps[dir].col}
			key := fmt.Sprint(s, dir)
			if seen[key] {
				return
			}
			seen[key] = true
			switch r := at(s); r {
			case '▼':
				for _, g := range frames {
					if g.top == s.row+1 && g.left < s.col && s.col < g.right {
						found[g.name] = true
					}
				}
			case '│', '─':
				walk(s, dir) // a crossing goes straight on
			default:
				ends, ok := joints[r]
				if !ok || !slices.Contains(ends, opposite[dir]) {
					t.Fatalf("the arrow of %s meets %q at %v going %s:\n%s", f.name, r, s, dir, text)
				}
				for _, e := range ends {
					if e != opposite[dir] {
						walk(s, e)
					}
				}
			}
		}
		for c := f.left + 1; c < f.right; c++ {
			if at(spot{f.bottom, c}) == '┬' {
				walk(spot{f.bottom, c}, "down")
			}
		}
		for name := range found {
			out[f.name] = append(out[f.name], name)
		}
		slices.Sort(out[f.name])
	}
	return out
}

func TestDrawingsKeepToTheWidth(t *testing.T) {
	for _, s := range readScripts(t, "testdata/describe.txt") {
		topo, err := build(s.lines)
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(topo.Terminal(60), "\n") {
			if n := utf8.RuneCountInString(line); n > 60 {
				t.Errorf("%s: a line of %d columns: %s", s.name, n, line)
			}
		}
	}
}

func TestTooManyNodesAreListed(t *testing.T) {
	lines := []string{"source s in"}
	for i := range terminalNodesMax {
		lines = append(lines, fmt.Sprintf("processor p%d s", i))
	}
	topo, err := build(lines)
	if err != nil {
		t.Fatal(err)
	}
	if text := topo.Terminal(80); !strings.Contains(text, "too many to be drawn") || !strings.Contains(text, "  p7 -> none\n") {
		t.Error(text)
	}
}
