package streamstest

import (
	"reflect"
	"strings"
	"testing"

	"leat.dev/streams"
)

type point struct {
	X, Y int
	Tag  *string `json:",omitempty"`
}

// TestTextBothWays writes records as text and reads them back.
func TestTextBothWays(t *testing.T) {
	both(t, "a", "b", "a | b @5")
	both(t, "", "null", `"" | "null" @5`)
	both(t, "a | b", " x", `"a | b" | " x" @5`)
	both(t, "a @7", "#", `"a @7" | "#" @5`)
	both(t, int64(-3), 1.5, `-3 | 1.5 @5`)
	both(t, []byte("plain"), []byte{0, 255}, `plain | 0x00ff @5`)
	both(t, []byte{}, []byte("0x"), `"" | "0x" @5`)
	both(t, [16]byte{1, 2}, true, `01020000-0000-0000-0000-000000000000 | true @5`)
	both(t, point{X: 1}, []point{{Y: 2, Tag: new("|")}}, `{"X":1,"Y":0} | [{"Tag":"|","X":0,"Y":2}] @5`)
	both(t, new("x"), map[string]int{"b": 1, "a": 2}, `x | {"a":2,"b":1} @5`)
	both(t, streams.Windowed[string]{Key: "a@b", Start: 5, End: 10}, int32(1), `a@b@5/10 | 1 @5`)
	both(t, streams.Windowed[string]{Key: "a | b", Start: 5, End: 10}, int32(1), `"a | b"@5/10 | 1 @5`)
	both(t, streams.Windowed[point]{Start: 5, End: 10}, int32(1), `{"X":0,"Y":0}@5/10 | 1 @5`)
}

func both[K, V any](t *testing.T, k K, v V, want string) {
	t.Helper()
	r := streams.Record[K, V]{Key: k, Value: v, Time: 5}
	got := recordLine(r)
	if got != want {
		t.Errorf("%v, %v: %s, want %s", k, v, got, want)
	}
	l, err := parseLine(got)
	if err != nil {
		t.Errorf("%s: %v", got, err)
		return
	}
	back, err := typed[K, V](l)
	if err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%s is read as %+v, %v", got, back, err)
	}
	if !matches(got, got) {
		t.Errorf("%s does not match itself", got)
	}
}

func TestLinesThatMatch(t *testing.T) {
	for _, c := range []struct {
		got, want string
		match     bool
	}{
		{"a | b @5", "a | b", true},
		{"a | b @5", "a|b", true},
		{"a | b @5", "a | b @6", false},
		{"a | b @5", `"a" | "b" @5`, true},
		{"a | b @5 {h=1}", "a | b @5", true},
		{"a | b @5 {h=1}", "a | b @5 {}", false},
		{"a | b @5", "a | b @5 {}", true},
		{"a | b @5 {h=1, i=2}", "a | b @5 { h=1,  i=2 }", true},
		{"a@0/10 | b @5", "a@0 | b @5", true},
		{"a@0/10 | b @5", "a@0/9 | b @5", false},
		{"a@0/10 | b @5", "a@1 | b @5", false},
		{`a | {"X":1,"Y":2}`, `a | {"Y": 2, "X": 1}`, true},
		{`a | {"X":1,"Y":2}`, `a | {"Y": 2}`, false},
		{`null | null`, `null | "null"`, false},
		{"a | 2.5", "a | 2.50", true},
		{"a | b", "a b", false},
	} {
		if matches(c.got, c.want) != c.match {
			t.Errorf("%s against %s: %v", c.got, c.want, !c.match)
		}
	}
}

func TestDiffMarksBothSides(t *testing.T) {
	diff, same := Diff([]string{"a", "b", "d"}, []string{"a", "c", "d"})
	if want := "    a\n  - c\n  + b\n    d\n"; same || diff != want {
		t.Errorf("%v\n%s", same, diff)
	}
}

// FuzzText reads any line, and what it could read it must read again from what it shows.
func FuzzText(f *testing.F) {
	for _, s := range []string{"a | b @5", `"x | y" | null @-1 {h=1, "i j"="k, l", n=null}`, `{"a":1}@5/6 | [1]`, "|", " @5", "a | b @99999999999999999999", `"`, "a|0xz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse("t", s)
		if err != nil {
			return
		}
		shown, err := Show(Record{Key: r.Key, Value: r.Value, Time: max(r.Time, 0), Headers: r.Headers}, streams.Bytes, streams.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("t", shown)
		if err != nil {
			t.Fatalf("%q is shown as %q: %v", s, shown, err)
		}
		if again.Time = r.Time; !reflect.DeepEqual(r, again) && !(len(r.Headers) == 0 && len(again.Headers) == 0) {
			t.Fatalf("%q is shown as %q and read as %+v, not %+v", s, strings.TrimSpace(shown), again, r)
		}
	})
}
