package row

import (
	"math"
	"strconv"
)

// AppendDouble appends f as Java's Double.toString prints it (JDK 19 and later: the fewest digits that read back as the
// same number): plain with at least one fraction digit for 0.001 <= |f| < 10,000,000, else as 1.0E7, 9.99E-4.
func AppendDouble(dst []byte, f float64) []byte { return appendJava(dst, f, 64) }

// AppendFloat appends f as Java's Float.toString prints it, by the same rules.
func AppendFloat(dst []byte, f float32) []byte { return appendJava(dst, float64(f), 32) }

func appendJava(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == 0:
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	if a := math.Abs(f); a >= 1e-3 && a < 1e7 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, ".0"...)
	}
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], f, 'e', -1, bits) // -d.ddde±xx
	mark := exponentMark(e)
	if mark == 1 || (mark == 2 && e[0] == '-') { // one digit would do: Java takes the nearest number of two
		e = strconv.AppendFloat(buf[:0], f, 'e', 1, bits)
		mark = exponentMark(e)
	}
	digits, exponent := e[:mark], e[mark+1:]
	dst = append(append(dst, digits...), 'E')
	if exponent[0] == '-' {
		dst = append(dst, '-')
	}
	exponent = exponent[1:]
	for len(exponent) > 1 && exponent[0] == '0' {
		exponent = exponent[1:]
	}
	return append(dst, exponent...)
}

func exponentMark(e []byte) int {
	mark := len(e) - 1
	for e[mark] != 'e' {
		mark--
	}
	return mark
}
