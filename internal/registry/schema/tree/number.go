package tree

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// IsInteger reports whether a number was written without fraction and exponent.
func IsInteger(text string) bool { return !strings.ContainsAny(text, ".eE") }

// JavaDouble is Double.toString: plain between 10^-3 and 10^7, otherwise scientific with a capital E, always
// with a fraction, on the shortest digits that give the value back.
func JavaDouble(v float64) string { return javaFloat(v, 64) }

// JavaFloat is Float.toString.
func JavaFloat(v float32) string { return javaFloat(float64(v), 32) }

func javaFloat(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	if abs := math.Abs(v); abs == 0 || abs >= 1e-3 && abs < 1e7 {
		s := strconv.FormatFloat(v, 'f', -1, bits)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	s := strconv.FormatFloat(v, 'E', -1, bits)
	digits, exponent, _ := strings.Cut(s, "E")
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	sign := ""
	if exponent[0] == '-' {
		sign = "-"
	}
	return digits + "E" + sign + strings.TrimLeft(exponent[1:], "0")
}

// decimalExponentMax bounds the exponents that are computed with; numbers beyond it keep their written text.
const decimalExponentMax = 1 << 20

// JavaDecimal is BigDecimal.toString of a number as written: integers without leading sign zeros, others with
// their scale kept (1.10 stays, 1e3 becomes 1E+3).
func JavaDecimal(text string) string {
	digits, scale, ok := split(text)
	if !ok {
		return text
	}
	negative := strings.HasPrefix(digits, "-")
	digits = strings.TrimPrefix(digits, "-")
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		digits, negative = "0", false
	}
	out := decimalText(digits, scale)
	if negative {
		return "-" + out
	}
	return out
}

func decimalText(digits string, scale int) string {
	if scale == 0 {
		return digits
	}
	adjusted := -scale + len(digits) - 1
	if scale > 0 && adjusted >= -6 {
		if len(digits) <= scale {
			digits = strings.Repeat("0", scale-len(digits)+1) + digits
		}
		return digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	out := digits[:1]
	if len(digits) > 1 {
		out += "." + digits[1:]
	}
	if adjusted != 0 {
		out += "E"
		if adjusted > 0 {
			out += "+"
		}
		out += strconv.Itoa(adjusted)
	}
	return out
}

// split takes a number apart into unscaled digits (with sign) and scale.
func split(text string) (digits string, scale int, ok bool) {
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, err := strconv.Atoi(strings.TrimPrefix(text[i+1:], "+"))
		if err != nil || e > decimalExponentMax || e < -decimalExponentMax {
			return "", 0, false
		}
		mantissa, exponent = text[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return whole + fraction, len(fraction) - exponent, true
}

// Rational gives a number's exact value; ok is false when its exponent is beyond all reason.
func Rational(text string) (v *big.Rat, ok bool) {
	_, scale, ok := split(text)
	if !ok || scale > 4096 || scale < -4096 {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// CompareNumbers orders two numbers by value, -1, 0 or 1.
func CompareNumbers(a, b string) int {
	x, okX := Rational(a)
	y, okY := Rational(b)
	if okX && okY {
		return x.Cmp(y)
	}
	f, _ := strconv.ParseFloat(a, 64)
	g, _ := strconv.ParseFloat(b, 64)
	switch {
	case f < g:
		return -1
	case f > g:
		return 1
	}
	return 0
}
