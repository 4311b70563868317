package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// A unit says how a value reads and which direction is better.
type unit struct {
	name string
	more bool
}

var (
	moreMBs    = unit{"MB/s", true}
	morePerCPU = unit{"MB per CPU-s", true}
	lessMs     = unit{"ms", false}
	lessMB     = unit{"MB", false}
)

type row struct {
	group, name string
	unit        unit
	values      map[string]float64
}

// table collects rows in the order they first appear.
type table struct {
	rows   []*row
	groups []string
	notes  []string
}

func newTable() *table { return &table{} }

func (t *table) set(group, name string, u unit, s system, value float64) {
	for _, r := range t.rows {
		if r.group == group && r.name == name {
			r.values[s.name] = value
			return
		}
	}
	known := false
	for _, g := range t.groups {
		known = known || g == group
	}
	if !known {
		t.groups = append(t.groups, group)
	}
	t.rows = append(t.rows, &row{group, name, u, map[string]float64{s.name: value}})
}

// The pairs whose ratio is printed: ours first, then what it is compared with.
var pairs = [][2]string{{"leat-commit", "kafka"}, {"leat-commit", "kafka-flush"}, {"leat-os", "kafka"}}

// header names the columns.
func header() []string {
	out := []string{"", "unit"}
	for _, s := range systems {
		out = append(out, s.title)
	}
	for _, p := range pairs {
		out = append(out, p[0]+" : "+p[1])
	}
	return out
}

func (r *row) cells() []string {
	out := []string{r.name, r.unit.name}
	for _, s := range systems {
		v, ok := r.values[s.name]
		if !ok {
			out = append(out, "")
			continue
		}
		out = append(out, figure(v))
	}
	for _, p := range pairs {
		ours, ok := r.values[p[0]]
		theirs, ok2 := r.values[p[1]]
		if !ok || !ok2 || ours <= 0 || theirs <= 0 {
			out = append(out, "")
			continue
		}
		ratio := ours / theirs
		if !r.unit.more {
			ratio = theirs / ours
		}
		out = append(out, fmt.Sprintf("%.1f×", ratio))
	}
	return out
}

// figure keeps three digits that mean something.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (t *table) text(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(header(), "\t"))
	for _, g := range t.groups {
		fmt.Fprintln(tw, g)
		for _, r := range t.rows {
			if r.group == g {
				fmt.Fprintln(tw, "  "+strings.Join(r.cells(), "\t"))
			}
		}
	}
	for _, n := range t.notes {
		fmt.Fprintln(tw, n)
	}
	fmt.Fprintln(tw, "Ratios are above 1 where ours is better.")
	return tw.Flush()
}

func (t *table) markdown(w io.Writer, command string) {
	fmt.Fprintf(w, "Run %s on %s, with `%s`. Ratios are above 1 where ours is better.\n", time.Now().UTC().Format("2006-01-02"), machine(), command)
	for _, n := range t.notes {
		fmt.Fprintf(w, "\n%s\n", n)
	}
	for _, g := range t.groups {
		fmt.Fprintf(w, "\n### %s\n\n", g)
		head := header()
		fmt.Fprintf(w, "| %s |\n|---|---|%s\n", strings.Join(head, " | "), strings.Repeat("---:|", len(head)-2))
		for _, r := range t.rows {
			if r.group == g {
				fmt.Fprintf(w, "| %s |\n", strings.Join(r.cells(), " | "))
			}
		}
	}
}

// machine describes where the figures come from.
func machine() string {
	model, memory := "unknown processor", ""
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if v, ok := strings.CutPrefix(lines.Text(), "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(v, "\t :"))
				break
			}
		}
	}
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kb int64
		if _, err := fmt.Sscanf(string(data), "MemTotal: %d kB", &kb); err == nil {
			memory = fmt.Sprintf(", %d GB", (kb+1<<19)>>20)
		}
	}
	kernel := ""
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = ", Linux " + strings.TrimSpace(string(data))
	}
	return fmt.Sprintf("%d cores of %s%s%s, %s", runtime.NumCPU(), model, memory, kernel, runtime.Version())
}
