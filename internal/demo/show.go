package demo

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// show writes what happens.
type show struct {
	out   io.Writer
	color bool
	began time.Time
	n     int
}

// Escape sequences of terminals.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	plain = "\x1b[0m"
)

func (s *show) paint(with, text string) string {
	if !s.color {
		return text
	}
	return with + text + plain
}

func (s *show) title(text string) { fmt.Fprintf(s.out, "\n  %s\n", s.paint(bold, text)) }
func (s *show) note(text string)  { fmt.Fprintf(s.out, "  %s\n\n", s.paint(dim, text)) }

// step is one line: what is done, how long it took, and what came of it.
type step struct {
	s     *show
	what  string
	start time.Time
}

func (s *show) step(what string) *step {
	s.n++
	return &step{s: s, what: what, start: time.Now()}
}

func (t *step) done(format string, args ...any) { t.line(green, fmt.Sprintf(format, args...)) }

func (t *step) crash(format string, args ...any) { t.line(red, fmt.Sprintf(format, args...)) }

func (t *step) line(color, result string) {
	fmt.Fprintf(t.s.out, "  %d  %s %s  %s\n", t.s.n, t.s.paint(color, fmt.Sprintf("%-38s", t.what)),
		t.s.paint(bold, fmt.Sprintf("%8s", duration(time.Since(t.start)))), t.s.paint(dim, result))
}

// bars draw a number between nothing and the most.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// table writes the results: a line for each of the regions with the most earthquakes, with their days as bars.
func (s *show) table(results map[bucket]result) {
	const (
		lines = 12
		day   = int64(24 * time.Hour / time.Millisecond)
	)
	type region struct {
		name      string
		quakes    int64
		strongest float64
		days      map[int64]int64
	}
	found := map[string]*region{}
	var all, most, first, last int64
	for b, r := range results {
		g := found[b.Region]
		if g == nil {
			g = &region{name: b.Region, strongest: r.strongest, days: map[int64]int64{}}
			found[b.Region] = g
		}
		d := b.Hour / day
		if all == 0 {
			first, last = d, d
		}
		first, last = min(first, d), max(last, d)
		g.quakes += r.quakes
		g.days[d] += r.quakes
		g.strongest = max(g.strongest, r.strongest)
		all += r.quakes
		most = max(most, g.days[d])
	}
	order := slices.SortedFunc(maps.Values(found), func(a, b *region) int {
		return cmp.Or(cmp.Compare(b.quakes, a.quakes), cmp.Compare(a.name, b.name))
	})
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, fmt.Sprintf("  %-28s %8s %10s  %s", "region", "quakes", "strongest", "by day")))
	for _, g := range order[:min(lines, len(order))] {
		var line strings.Builder
		for d := first; d <= last; d++ {
			i := 0
			if n := g.days[d]; n > 0 {
				i = 1 + int(n*int64(len(bars)-2)/most)
			}
			line.WriteRune(bars[i])
		}
		fmt.Fprintf(s.out, "  %-28s %8s %10.1f  %s\n", g.name, number(int(g.quakes)), g.strongest, s.paint(green, line.String()))
	}
	fmt.Fprintf(s.out, "%s\n\n", s.paint(bold, fmt.Sprintf("  %-28s %8s", fmt.Sprintf("all %d regions", len(order)), number(int(all)))))
}

// check writes a line of the proof and returns whether it holds.
func (s *show) check(ok bool, format string, args ...any) bool {
	mark := s.paint(green, "✓")
	if !ok {
		mark = s.paint(red, "✗ WRONG:")
	}
	fmt.Fprintf(s.out, "  %s %s\n", mark, fmt.Sprintf(format, args...))
	return ok
}

func (s *show) end() {
	fmt.Fprintf(s.out, "\n  %s\n\n", s.paint(dim, "all in "+duration(time.Since(s.began))))
}

func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

func duration(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
