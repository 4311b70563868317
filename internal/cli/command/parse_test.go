package command

import (
	"reflect"
	"slices"
	"testing"
)

func TestParsePartitions(t *testing.T) {
	for s, want := range map[string][]int32{"": nil, "0": {0}, "0,2,5-7": {0, 2, 5, 6, 7}, " 3 - 4 , 3": {3, 4}, "7,1": {1, 7}} {
		if got, err := ParsePartitions(s); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"x", "-1", "3-1", "1,,2", "0-99999999999", "0-1048576"} {
		if got, err := ParsePartitions(s); err == nil {
			t.Errorf("%q: got %v and no error", s, got)
		}
	}
}

func TestParseSettings(t *testing.T) {
	names, values, err := ParseSettings("--config", []string{"a=1", "b=", "c=x=y", "a=2"})
	if err != nil || !slices.Equal(names, []string{"a", "b", "c"}) || !reflect.DeepEqual(values, map[string]string{"a": "2", "b": "", "c": "x=y"}) {
		t.Errorf("got %v %v %v", names, values, err)
	}
	for _, s := range []string{"a", "=1", ""} {
		if _, _, err := ParseSettings("--config", []string{s}); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestUnescape(t *testing.T) {
	for s, want := range map[string]string{"": "", `a`: "a", `\t|\n\r\0\\`: "\t|\n\r\x00\\", `\x41\xff`: "A\xff"} {
		if got, err := Unescape("--x", s); err != nil || got != want {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
	}
	for _, s := range []string{`\`, `\q`, `\x`, `\x4`, `\xzz`} {
		if got, err := Unescape("--x", s); err == nil {
			t.Errorf("%q: got %q and no error", s, got)
		}
	}
}

func TestSoftwareVersion(t *testing.T) {
	for v, want := range map[string]string{"v1.2.3": "v1.2.3", "v0.0.0-2026+dirty": "v0.0.0-2026-dirty", "(devel)": "devel"} {
		if got := softwareVersion(v); got != want {
			t.Errorf("%q: got %q, want %q", v, got, want)
		}
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add(`\t\x41\\`)
	f.Fuzz(func(_ *testing.T, s string) { _, _ = Unescape("--x", s) })
}

func FuzzParsePartitions(f *testing.F) {
	f.Add("0,2,5-7")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParsePartitions(s)
		if err == nil && !slices.IsSorted(got) {
			t.Fatalf("%q: %v is not sorted", s, got)
		}
	})
}

func TestChoices(t *testing.T) {
	got, err := Choices("--state", []string{"empty", "Stable"}, "Stable", "Empty")
	if err != nil || !slices.Equal(got, []string{"Empty", "Stable"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Choices("--state", []string{"Stabel"}, "Stable", "Empty"); err == nil {
		t.Error("an unknown value is accepted")
	}
}
