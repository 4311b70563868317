package screen

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count writes an integer with thousands separated: 1,234,567.
func Count[N ~int | ~int16 | ~int32 | ~int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Bytes writes a size with a decimal unit, as disks and networks are sold: 1.5 MB.
func Bytes[N ~int | ~int32 | ~int64](n N) string {
	f := float64(n)
	if math.Abs(f) < 1000 {
		return strconv.FormatInt(int64(n), 10) + " B"
	}
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		f /= 1000
		if math.Abs(f) < 999.95 || unit == "TB" {
			return strconv.FormatFloat(f, 'f', 1, 64) + " " + unit
		}
	}
	return ""
}

// Plural writes a count and the noun that fits it: "1 record", "2 records".
func Plural[N ~int | ~int16 | ~int32 | ~int64](n N, noun string) string {
	return PluralOf(n, noun, noun+"s")
}

// PluralOf is Plural for nouns that take more than an s.
func PluralOf[N ~int | ~int16 | ~int32 | ~int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Optional writes a value that may not be known, nothing for nil.
func Optional[V any](v *V, write func(V) string) string {
	if v == nil {
		return ""
	}
	return write(*v)
}

// Numbers writes ids with commas between them, as flags take them: 1,2,3.
func Numbers(list []int32) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = strconv.Itoa(int(v))
	}
	return strings.Join(parts, ",")
}

// Duration writes a time span with three significant digits: 1.23 s, 45.6 ms, 789 µs.
func Duration(d time.Duration) string {
	abs := d.Abs()
	switch {
	case abs >= time.Minute:
		return d.Round(time.Second).String()
	case abs >= time.Second:
		return significant(d.Seconds()) + " s"
	case abs >= time.Millisecond:
		return significant(float64(d)/float64(time.Millisecond)) + " ms"
	case abs >= time.Microsecond:
		return significant(float64(d)/float64(time.Microsecond)) + " µs"
	}
	return fmt.Sprintf("%d ns", d.Nanoseconds())
}

func significant(f float64) string {
	switch abs := math.Abs(f); {
	case abs >= 99.95:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case abs >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// Millis is a duration in milliseconds with microsecond precision, as JSON output gives it.
func Millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
