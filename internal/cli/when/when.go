// Package when reads points in time and durations as people write them on a command line.
package when

import (
	"strconv"
	"strings"
	"time"

	"leat.dev/internal/cli/fault"
)

// layouts without a zone are read as local time.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02",
}

// Parse reads a point in time: RFC 3339, a date with or without a time (local), milliseconds since 1970, "now",
// or a span before now such as 90m, -2h or 7d.
func Parse(flag, s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "now" {
		return now, nil
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && ms >= 0 {
		return time.UnixMilli(ms), nil
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, now.Location()); err == nil {
			return t, nil
		}
	}
	if d, err := span(strings.TrimPrefix(s, "-")); err == nil {
		return now.Add(-d), nil
	}
	return time.Time{}, fault.Usage("%s %q is not a point in time", flag, s).
		WithHint("write 2026-01-31T08:00:00Z, 2026-01-31, milliseconds since 1970, or a span before now such as 90m or 7d")
}

// Span reads a duration; besides Go's units it knows d for days and w for weeks.
func Span(flag, s string) (time.Duration, error) {
	d, err := span(strings.TrimSpace(s))
	if err != nil {
		return 0, fault.Usage("%s %q is not a duration", flag, s).WithHint("for example 30s, 90m, 12h, 7d or 2w")
	}
	return d, nil
}

func span(s string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			if f, err := strconv.ParseFloat(n, 64); err == nil && f >= 0 && f < 1e5 {
				return time.Duration(f * float64(unit)), nil
			}
		}
	}
	return time.ParseDuration(s)
}

// Format writes a timestamp of a record in UTC with milliseconds; -1, Kafka's "none", as an empty string.
func Format(ms int64) string {
	if ms < 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
