package screen

import (
	"bufio"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Table collects rows and writes them in aligned columns. A column whose name ends in '>' is aligned to the
// right, as numbers are.
type Table struct {
	names []string
	right []bool
	rows  [][]string
}

// NewTable starts a table with the given columns.
func NewTable(columns ...string) *Table {
	t := &Table{}
	for _, c := range columns {
		name, right := strings.CutSuffix(c, ">")
		t.names = append(t.names, name)
		t.right = append(t.right, right)
	}
	return t
}

// Row adds one row; values are written as fmt.Sprint would.
func (t *Table) Row(values ...any) {
	row := make([]string, len(t.names))
	for i := range row {
		row[i] = "-"
		if i < len(values) {
			if s := fmt.Sprint(values[i]); s != "" {
				row[i] = printable(s)
			}
		}
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Write writes the table with its header. An empty table writes only the header, so that scripts see columns.
func (t *Table) Write(s *Screen) error {
	width := make([]int, len(t.names))
	for i, n := range t.names {
		width[i] = utf8.RuneCountInString(n)
	}
	for _, r := range t.rows {
		for i, v := range r {
			width[i] = max(width[i], utf8.RuneCountInString(v))
		}
	}
	w := bufio.NewWriter(s.Out)
	t.line(w, t.names, width)
	for _, r := range t.rows {
		t.line(w, r, width)
	}
	return w.Flush()
}

func (t *Table) line(w *bufio.Writer, cells []string, width []int) {
	var b strings.Builder
	for i, v := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(v))
		if t.right[i] {
			b.WriteString(pad + v)
		} else {
			b.WriteString(v + pad)
		}
	}
	_, _ = w.WriteString(strings.TrimRight(b.String(), " ") + "\n") // the error stays in w until Flush
}

// printable keeps control characters of foreign names from reaching the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '�'
		}
		return r
	}, s)
}
