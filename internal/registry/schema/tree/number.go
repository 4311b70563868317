package tree

import (
	"math/big"
	"strconv"
	"strings"

	"leat.dev/internal/row"
)

// IsInteger reports whether a number was written without fraction and exponent.
func IsInteger(text string) bool { return !strings.ContainsAny(text, ".eE") }

// JavaDouble is Double.toString: plain between 10^-3 and 10^7, otherwise scientific with a capital E, always
// with a fraction, on the shortest digits that give the value back.
func JavaDouble(v float64) string { return string(row.AppendDouble(nil, v)) }

// JavaFloat is Float.toString.
func JavaFloat(v float32) string { return string(row.AppendFloat(nil, v)) }

// JavaDecimal is BigDecimal.toString of a number as written: integers without leading sign zeros, others with
// their scale kept (1.10 stays, 1e3 becomes 1E+3). What is longer than row.MaxDecText or has an exponent beyond Java's stays as
// it is written.
func JavaDecimal(text string) string {
	d, err := row.ParseDec(text)
	if err != nil {
		return text
	}
	return d.String()
}

// decimalExponentMax bounds the exponents that are computed with.
const decimalExponentMax = 1 << 20

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
