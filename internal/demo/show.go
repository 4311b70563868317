package demo

import (
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

// table writes the counts: a line per day, with its hours as bars.
func (s *show) table(counts map[bucket]int64) {
	days := map[string]bool{}
	perHour := map[string]int64{}
	perClass := map[[2]string]int64{}
	var most int64
	for b, n := range counts {
		day := b.Hour[:len("2006-01-02")]
		days[day] = true
		perHour[b.Hour] += n
		perClass[[2]string{day, b.Class}] += n
		most = max(most, perHour[b.Hour])
	}
	head := fmt.Sprintf("  %-10s", "day")
	for _, c := range classes {
		head += fmt.Sprintf(" %8s", c)
	}
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, head+fmt.Sprintf(" %7s  %s", "all", "by hour, 0 to 23 UTC")))
	totals := map[string]int64{}
	var all int64
	for _, day := range slices.Sorted(maps.Keys(days)) {
		line := fmt.Sprintf("  %-10s", day)
		var sum int64
		for _, c := range classes {
			n := perClass[[2]string{day, c}]
			sum += n
			totals[c] += n
			line += fmt.Sprintf(" %8s", blank(n))
		}
		all += sum
		line += fmt.Sprintf(" %7s  ", number(int(sum)))
		var hours strings.Builder
		for h := range 24 {
			n := perHour[fmt.Sprintf("%sT%02d", day, h)]
			i := 0
			if n > 0 {
				i = 1 + int(n*int64(len(bars)-2)/most)
			}
			hours.WriteRune(bars[i])
		}
		fmt.Fprintf(s.out, "%s%s\n", line, s.paint(green, hours.String()))
	}
	line := fmt.Sprintf("  %-10s", "all")
	for _, c := range classes {
		line += fmt.Sprintf(" %8s", blank(totals[c]))
	}
	fmt.Fprintf(s.out, "%s\n\n", s.paint(bold, line+fmt.Sprintf(" %7s", number(int(all)))))
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

func blank(n int64) string {
	if n == 0 {
		return "·"
	}
	return number(int(n))
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
