package streamstest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// compare fails the test where the lines are not those of a text.
func compare(t testing.TB, what string, got []string, text string, unordered bool) {
	t.Helper()
	want := lines(text)
	if unordered {
		got, want = pair(got, want)
	}
	if diff, same := differ(got, want, matches); !same {
		t.Errorf("%s: (- is missing, + was not expected)\n%s", what, diff)
	}
}

// differ shows both lists of lines as one, with marks at those that only one has.
func differ(got, want []string, matches func(got, want string) bool) (diff string, same bool) {
	var out strings.Builder
	same = true
	put := func(mark, line string) {
		same = same && mark == "  "
		fmt.Fprintf(&out, "  %s%s\n", mark, line)
	}
	// The longest common subsequence; the lists are those of tests, and short.
	common := make([][]int, len(got)+1)
	for i := range common {
		common[i] = make([]int, len(want)+1)
	}
	for i := len(got) - 1; i >= 0; i-- {
		for j := len(want) - 1; j >= 0; j-- {
			if matches(got[i], want[j]) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(got) || j < len(want) {
		switch {
		case i < len(got) && j < len(want) && matches(got[i], want[j]):
			put("  ", got[i])
			i, j = i+1, j+1
		case j < len(want) && (i == len(got) || common[i][j+1] >= common[i+1][j]):
			put("- ", want[j])
			j++
		default:
			put("+ ", got[i])
			i++
		}
	}
	if out.Len() == 0 {
		out.WriteString("  (no records)\n")
	}
	return out.String(), same
}

// pair orders both lists so that lines that match stand at the same places.
func pair(got, want []string) (g, w []string) {
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	for _, line := range got {
		if at := slices.IndexFunc(want, func(s string) bool { return matches(line, s) }); at >= 0 {
			g, w = append(g, line), append(w, want[at])
			want = slices.Delete(want, at, at+1)
		} else {
			g = append(g, line)
		}
	}
	slices.Sort(want)
	return g, append(w, want...)
}

// matches tells whether a record, as it is shown, is what a line of a text asks for: what the line does not say (the time,
// the headers, the end of a window) is not compared, and numbers, quotes and blanks of JSON may be written as one likes.
func matches(got, want string) bool {
	if got == want {
		return true
	}
	g, err := parseLine(got)
	if err != nil {
		return false
	}
	w, err := parseLine(want)
	if err != nil {
		return false
	}
	return sameField(g.key, w.key, true) && sameField(g.value, w.value, false) && (!w.timed || g.timed && g.time == w.time) &&
		(!w.hasHeaders || showHeaders(g.headers) == showHeaders(w.headers))
}

func sameField(got, want string, key bool) bool {
	if got == want || plainField(got) == plainField(want) {
		return true
	}
	if !key {
		return false
	}
	inner, window, ok := cutLast(got, "@")
	start, _, both := strings.Cut(window, "/")
	wantInner, wantWindow, wantOK := cutLast(want, "@")
	return ok && both && wantOK && start == wantWindow && plainField(inner) == plainField(wantInner)
}

// plainField is a field in the one form that equal fields have.
func plainField(s string) string {
	if s == null {
		return s
	}
	switch {
	case strings.HasPrefix(s, `"`):
		if text, err := strconv.Unquote(s); err == nil {
			return "text " + text
		}
	case strings.HasPrefix(s, "{"), strings.HasPrefix(s, "["):
		return canonical([]byte(s))
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && strings.ContainsAny(s, ".eE") {
		return strconv.FormatFloat(n, 'g', -1, 64)
	}
	return "text " + s
}

// Diff shows two lists of lines as one: + before those that only got has, - before those that only want has. Lines are equal
// when all their bytes are.
func Diff(got, want []string) (diff string, same bool) {
	return differ(got, want, func(g, w string) bool { return g == w })
}
