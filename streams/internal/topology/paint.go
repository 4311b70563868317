package topology

import (
	"slices"
	"strings"
)

// arrange orders each layer so that few arrows cross, and moves boxes towards those they are connected with.
func arrange(rows [][]*box, width int) {
	center := func(x *box) int { return x.x + x.w/2 }
	mean := func(list []*box) int {
		sum := 0
		for _, x := range list {
			sum += center(x)
		}
		return sum / len(list)
	}
	pack := func(row []*box) {
		at := 0
		for _, x := range row {
			x.x = at
			at += x.w + 1
		}
	}
	for _, row := range rows {
		pack(row)
	}
	sweep := func(row []*box, near func(*box) []*box) {
		want := map[*box]int{}
		for _, x := range row {
			want[x] = center(x)
			if n := near(x); len(n) > 0 {
				want[x] = mean(n)
			}
		}
		slices.SortStableFunc(row, func(a, b *box) int { return want[a] - want[b] })
		at := 0
		for _, x := range row {
			x.x = max(at, want[x]-x.w/2)
			at = x.x + x.w + 1
		}
		limit := max(width, rowWidth(row))
		for _, x := range slices.Backward(row) {
			x.x = max(0, min(x.x, limit-x.w))
			limit = x.x - 1
		}
	}
	upper := func(x *box) []*box { return x.upper }
	lower := func(x *box) []*box { return x.lower }
	for range 4 {
		for _, row := range rows {
			sweep(row, upper)
		}
		for _, row := range slices.Backward(rows) {
			sweep(row, lower)
		}
	}
	for _, row := range rows {
		sweep(row, upper)
	}
	left := 1 << 30
	for _, row := range rows {
		for _, x := range row {
			left = min(left, x.x)
		}
	}
	for _, row := range rows {
		for _, x := range row {
			x.x -= left
			x.out = center(x)
		}
	}
}

// canvas is lines of characters that grow as they are written to.
type canvas [][]rune

func (c *canvas) set(row, col int, r rune) {
	for len(*c) <= row {
		*c = append(*c, nil)
	}
	line := &(*c)[row]
	for len(*line) <= col {
		*line = append(*line, ' ')
	}
	(*line)[col] = r
}

func (c *canvas) text(row, col int, s string) {
	for i, r := range []rune(s) {
		c.set(row, col+i, r)
	}
}

func (c canvas) String() string {
	var b strings.Builder
	for _, line := range c {
		b.WriteString(strings.TrimRight(string(line), " "))
		b.WriteString("\n")
	}
	return b.String()
}

func paint(rows [][]*box) string {
	c := &canvas{}
	top := 0
	for i, row := range rows {
		height := 0
		for _, x := range row {
			height = max(height, x.h)
		}
		for _, x := range row {
			if !x.bend() {
				c.box(top, x)
			}
			for r := top + x.h; r < top+height && len(x.lower) > 0; r++ {
				c.set(r, x.out, '│')
			}
		}
		top += height
		if i+1 < len(rows) {
			top = c.arrows(top, row, rows[i+1])
		}
	}
	return c.String()
}

func (c *canvas) box(top int, x *box) {
	bar := strings.Repeat("─", x.w-2)
	c.text(top, x.x, "╭"+bar+"╮")
	c.text(top, x.x+1, "─ "+x.kind+" ")
	for i, line := range x.text {
		c.set(top+1+i, x.x, '│')
		c.text(top+1+i, x.x+2, line)
		c.set(top+1+i, x.x+x.w-1, '│')
	}
	c.text(top+x.h-1, x.x, "╰"+bar+"╯")
	if len(x.lower) > 0 {
		c.set(top+x.h-1, x.out, '┬')
	}
}

// wire is all arrows of one box to the next layer: down from where it leaves, along a track, down to each.
type wire struct {
	from  int
	to    []int // columns, no two wires have the same
	track int   // -1: straight down
}

func (w *wire) span() (int, int) {
	return min(w.from, slices.Min(w.to)), max(w.from, slices.Max(w.to))
}

// arrows draws what is between two layers and gives the row below it.
func (c *canvas) arrows(top int, row, next []*box) int {
	wires := map[*box]*wire{}
	var all []*wire
	for _, x := range row {
		if len(x.lower) > 0 {
			wires[x] = &wire{from: x.out, track: -1}
			all = append(all, wires[x])
		}
	}
	heads := enter(row, next, wires)
	tracks := lay(all)
	height := max(tracks, 1) + 1
	for _, w := range all {
		w.draw(c, top, height)
	}
	for _, col := range heads {
		c.set(top+height-1, col, '▼')
	}
	return top + height
}

// enter chooses the column at which each arrow comes in: near the middle of the box, apart from each other,
// and not below the arrow of another box, with which it could be taken for one. It gives where heads are due.
func enter(row, next []*box, wires map[*box]*wire) []int {
	leaves := map[int]*box{}
	for _, x := range row {
		if len(x.lower) > 0 {
			leaves[x.out] = x
		}
	}
	var heads []int
	for _, t := range next {
		parents := slices.Clone(t.upper)
		slices.SortStableFunc(parents, func(a, b *box) int { return a.out - b.out })
		var used []int
		for i, p := range parents {
			want := t.x + t.w/2 + 2*i - (len(parents) - 1)
			// Straight down is best where it is possible.
			if len(parents) == 1 && p.out > t.x+1 && p.out < t.x+t.w-2 {
				want = p.out
			}
			col := freeColumn(t, want, used, func(col int) bool {
				other := leaves[col]
				return other == nil || other == p
			})
			used = append(used, col)
			wires[p].to = append(wires[p].to, col)
			if t.bend() {
				t.out = col
			} else {
				heads = append(heads, col)
			}
		}
	}
	return heads
}

func freeColumn(t *box, want int, used []int, fits func(col int) bool) int {
	first, last := t.x+1, t.x+t.w-2
	if t.bend() {
		first, last = t.x, t.x+t.w-1
	}
	want = max(first, min(last, want))
	for _, apart := range []int{2, 1} { // a column between two arrows, if there is room
		for d := range t.w {
			for _, col := range []int{want - d, want + d} {
				near := slices.ContainsFunc(used, func(u int) bool { return max(u-col, col-u) < apart })
				if col >= first && col <= last && !near && fits(col) {
					return col
				}
			}
		}
	}
	return want
}

// lay gives each wire that is not straight a track on which no other is in its way.
func lay(wires []*wire) int {
	var tracks [][]*wire
	for _, w := range wires {
		if len(w.to) == 1 && w.to[0] == w.from {
			continue
		}
		l, r := w.span()
		w.track = slices.IndexFunc(tracks, func(on []*wire) bool {
			return !slices.ContainsFunc(on, func(o *wire) bool {
				ol, or := o.span()
				return l <= or+1 && ol <= r+1
			})
		})
		if w.track < 0 {
			w.track = len(tracks)
			tracks = append(tracks, nil)
		}
		tracks[w.track] = append(tracks[w.track], w)
	}
	return len(tracks)
}

func (w *wire) draw(c *canvas, top, height int) {
	if w.track < 0 {
		for r := range height {
			c.set(top+r, w.from, '│')
		}
		return
	}
	for r := range w.track {
		c.set(top+r, w.from, '│')
	}
	row := top + w.track
	l, r := w.span()
	for col := l; col <= r; col++ {
		down := slices.Contains(w.to, col)
		up := col == w.from
		switch {
		case !down && !up:
			c.cross(row, col)
		default:
			c.set(row, col, joint(up, down, col > l, col < r))
		}
	}
	for _, col := range w.to {
		for rr := w.track + 1; rr < height; rr++ {
			c.set(top+rr, col, '│')
		}
	}
}

// cross goes along a row, under the arrows that go down there.
func (c *canvas) cross(row, col int) {
	if row < len(*c) && col < len((*c)[row]) && (*c)[row][col] == '│' {
		return
	}
	c.set(row, col, '─')
}

// joint is the character with these ends.
func joint(up, down, left, right bool) rune {
	i := 0
	for k, on := range []bool{up, down, left, right} {
		if on {
			i |= 1 << k
		}
	}
	return [16]rune{' ', '╵', '╷', '│', '╴', '╯', '╮', '┤', '╶', '╰', '╭', '├', '─', '┴', '┬', '┼'}[i]
}
