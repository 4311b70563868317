package when

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	zone := time.FixedZone("here", 2*3600)
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, zone)
	for s, want := range map[string]time.Time{
		"now":                       now,
		"2026-01-31T08:00:00Z":      time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC),
		"2026-01-31T08:00:00.5Z":    time.Date(2026, 1, 31, 8, 0, 0, 5e8, time.UTC),
		"2026-01-31T08:00:00+01:00": time.Date(2026, 1, 31, 7, 0, 0, 0, time.UTC),
		"2026-01-31 08:00":          time.Date(2026, 1, 31, 8, 0, 0, 0, zone),
		"2026-01-31":                time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
		"1517363399650":             time.UnixMilli(1517363399650),
		"0":                         time.UnixMilli(0),
		"90m":                       now.Add(-90 * time.Minute),
		"-2h":                       now.Add(-2 * time.Hour),
		"7d":                        now.Add(-7 * 24 * time.Hour),
		"1.5w":                      now.Add(-252 * time.Hour),
	} {
		if got, err := Parse("--x", s, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "7x", "2026-13-01", "d"} {
		if got, err := Parse("--x", s, now); err == nil {
			t.Errorf("%q: got %v and no error", s, got)
		}
	}
}

func TestSpanAndFormat(t *testing.T) {
	if d, err := Span("--x", "2d"); err != nil || d != 48*time.Hour {
		t.Errorf("got %v, %v", d, err)
	}
	if _, err := Span("--x", "long"); err == nil {
		t.Error("no error")
	}
	if got := Format(1517363399650); got != "2018-01-31T01:49:59.650Z" {
		t.Errorf("got %q", got)
	}
	if got := Format(-1); got != "" {
		t.Errorf("got %q", got)
	}
}
