package row

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// Dec is an exact decimal number, coefficient × 10^-scale, as Java's BigDecimal: 1.50 and 1.5 are equal as numbers and
// differ in scale. Coefficients that fit 63 bits and sign are held in the word, others in a big integer that nobody changes.
type Dec struct {
	small int64
	big   *big.Int // nil when small holds the coefficient
	scale int32
}

// Limits of what text is read as a decimal: longer input is refused, whatever its value.
const (
	// MaxDecText is the longest text of a decimal, in bytes.
	MaxDecText = 10_000
	// MaxDecScale bounds the scale and the exponent, in digits either way, of a decimal that is written out or rescaled.
	MaxDecScale = 10_000
)

// Errors of decimals; those that carry values wrap one of these.
var (
	ErrDecSyntax   = errors.New("not a decimal number")
	ErrOverflow    = errors.New("Numeric field overflow")
	ErrRounding    = errors.New("cannot be represented without rounding")
	ErrDivideByNil = errors.New("division by zero")
)

// DecOf is coefficient × 10^-scale.
func DecOf(coefficient int64, scale int32) Dec { return Dec{small: coefficient, scale: scale} }

// DecOfBig is coefficient × 10^-scale; the caller changes the coefficient no more.
func DecOfBig(coefficient *big.Int, scale int32) Dec {
	if coefficient.IsInt64() {
		return Dec{small: coefficient.Int64(), scale: scale}
	}
	return Dec{big: coefficient, scale: scale}
}

// DecOfDouble is the exact value of what AppendDouble prints, as BigDecimal.valueOf(double). NaN and infinities are
// refused with ErrDecSyntax.
func DecOfDouble(f float64) (Dec, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Dec{}, fmt.Errorf("%w: %s", ErrDecSyntax, AppendDouble(nil, f))
	}
	var buf [40]byte
	return ParseDec(AppendDouble(buf[:0], f))
}

// ParseDec reads what Java's BigDecimal(String) reads, in ASCII digits: sign, digits with at most one point, exponent. No
// blanks. The scale is as written: "1.50" has scale 2, "1E+3" has scale -3.
func ParseDec[T string | []byte](text T) (Dec, error) {
	if len(text) > MaxDecText {
		return Dec{}, fmt.Errorf("%w: %d characters, at most %d are read", ErrDecSyntax, len(text), MaxDecText)
	}
	i, negative := 0, false
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		negative = text[i] == '-'
		i++
	}
	var small uint64
	digits, scale, point, wide := 0, int64(0), false, false
	start := i
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		digits++
		if point {
			scale++
		}
		if hi, lo := bits.Mul64(small, 10); hi != 0 || lo > math.MaxInt64-9 {
			wide = true
		} else if !wide {
			small = lo + uint64(c-'0')
		}
	}
	end := i
	if digits == 0 {
		return Dec{}, fmt.Errorf("%w: %q", ErrDecSyntax, string(text))
	}
	if i < len(text) {
		if text[i] != 'e' && text[i] != 'E' {
			return Dec{}, fmt.Errorf("%w: %q", ErrDecSyntax, string(text))
		}
		e, err := parseExponent(string(text[i+1:]))
		if err != nil {
			return Dec{}, fmt.Errorf("%w: %q", ErrDecSyntax, string(text))
		}
		scale -= e
	}
	if scale > math.MaxInt32 || scale < math.MinInt32 {
		return Dec{}, fmt.Errorf("%w: exponent out of range: %q", ErrDecSyntax, string(text))
	}
	if !wide {
		n := int64(small) //nolint:gosec // bounded above
		if negative {
			n = -n
		}
		return Dec{small: n, scale: int32(scale)}, nil
	}
	plain := make([]byte, 0, end-start)
	for j := start; j < end; j++ {
		if text[j] != '.' {
			plain = append(plain, text[j])
		}
	}
	b, _ := new(big.Int).SetString(string(plain), 10)
	if negative {
		b.Neg(b)
	}
	return DecOfBig(b, int32(scale)), nil
}

func parseExponent(s string) (int64, error) {
	digits := s
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		digits = digits[1:]
	}
	if digits == "" || digits[0] < '0' || digits[0] > '9' || len(digits) > 10 {
		return 0, ErrDecSyntax
	}
	return strconv.ParseInt(s, 10, 64)
}

// Scale of the number: digits after the point, negative when it counts whole powers of ten.
func (d Dec) Scale() int32 { return d.scale }

// Coefficient of the number, a copy.
func (d Dec) Coefficient() *big.Int {
	if d.big != nil {
		return new(big.Int).Set(d.big)
	}
	return big.NewInt(d.small)
}

// Small is the coefficient when it fits an int64.
func (d Dec) Small() (int64, bool) { return d.small, d.big == nil }

func (d Dec) coefficient() *big.Int { // not to be changed
	if d.big != nil {
		return d.big
	}
	return big.NewInt(d.small)
}

// Sign is -1, 0 or 1.
func (d Dec) Sign() int {
	if d.big != nil {
		return d.big.Sign()
	}
	switch {
	case d.small < 0:
		return -1
	case d.small > 0:
		return 1
	}
	return 0
}

// Digits is the number of decimal digits of the coefficient, 1 for zero: BigDecimal's precision.
func (d Dec) Digits() int32 {
	if d.big == nil {
		n := int32(1)
		u := magnitude(d.small)
		for u >= 10 {
			u /= 10
			n++
		}
		return n
	}
	return int32(len(d.digitText())) //nolint:gosec // bounded by MaxDecText and the arithmetic's limits
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n) //nolint:gosec // two's complement
	}
	return uint64(n)
}

func (d Dec) digitText() []byte {
	if d.big == nil {
		return strconv.AppendUint(nil, magnitude(d.small), 10)
	}
	text := d.big.Append(nil, 10)
	if text[0] == '-' {
		text = text[1:]
	}
	return text
}

// String is BigDecimal.toString: plain unless the scale is negative or the number below 10^-6, then 1.23E+5, 1.00E-8.
func (d Dec) String() string { return string(d.Append(nil)) }

// Append appends what String gives.
func (d Dec) Append(dst []byte) []byte {
	digits := d.digitText()
	adjusted := int64(len(digits)) - 1 - int64(d.scale)
	if d.scale >= 0 && adjusted >= -6 {
		return d.appendPlain(dst, digits)
	}
	if d.Sign() < 0 {
		dst = append(dst, '-')
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(dst, '.')
		dst = append(dst, digits[1:]...)
	}
	if adjusted != 0 {
		dst = append(dst, 'E')
		if adjusted > 0 {
			dst = append(dst, '+')
		}
		dst = strconv.AppendInt(dst, adjusted, 10)
	}
	return dst
}

// AppendPlain appends BigDecimal.toPlainString: no exponent. A number of more than MaxDecScale places either way is
// appended as Append does, so that a few bytes of input cannot become gigabytes of text.
func (d Dec) AppendPlain(dst []byte) []byte {
	if d.scale > MaxDecScale || d.scale < -MaxDecScale {
		return d.Append(dst)
	}
	return d.appendPlain(dst, d.digitText())
}

func (d Dec) appendPlain(dst, digits []byte) []byte {
	if d.Sign() < 0 {
		dst = append(dst, '-')
	}
	scale := int(d.scale)
	switch {
	case scale == 0:
		return append(dst, digits...)
	case scale < 0:
		dst = append(dst, digits...)
		if d.Sign() == 0 {
			return dst
		}
		for range -scale {
			dst = append(dst, '0')
		}
		return dst
	case len(digits) > scale:
		dst = append(dst, digits[:len(digits)-scale]...)
		dst = append(dst, '.')
		return append(dst, digits[len(digits)-scale:]...)
	}
	dst = append(dst, '0', '.')
	for range scale - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// Compare orders by number: 1.5 and 1.50 are equal.
func (d Dec) Compare(o Dec) int {
	if d.scale == o.scale && d.big == nil && o.big == nil {
		return cmp.Compare(d.small, o.small)
	}
	if s, t := d.Sign(), o.Sign(); s != t || s == 0 {
		return cmp.Compare(s, t)
	}
	// Same sign: first by the power of ten of the leading digit, so that 1E+1000000 never needs its zeros.
	da, oa := int64(d.Digits())-int64(d.scale), int64(o.Digits())-int64(o.scale)
	if da != oa {
		return cmp.Compare(da, oa) * d.Sign()
	}
	a, b := d.coefficient(), o.coefficient()
	if d.scale < o.scale {
		a = new(big.Int).Mul(a, pow10(int(o.scale)-int(d.scale)))
	} else if o.scale < d.scale {
		b = new(big.Int).Mul(b, pow10(int(d.scale)-int(o.scale)))
	}
	return a.Cmp(b)
}

// Trim removes the zeros at the end of the coefficient: equal numbers have equal trimmed forms. Zero trims to 0, scale 0.
func (d Dec) Trim() Dec {
	if d.Sign() == 0 {
		return Dec{}
	}
	if d.big == nil {
		for d.small%10 == 0 && d.scale > math.MinInt32 {
			d.small /= 10
			d.scale--
		}
		return d
	}
	text := d.digitText()
	zeros := 0
	for text[len(text)-1-zeros] == '0' {
		zeros++
	}
	if zeros == 0 {
		return d
	}
	return DecOfBig(new(big.Int).Quo(d.big, pow10(zeros)), d.scale-int32(zeros)) //nolint:gosec // bounded
}

var smallPowers = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

func pow10(n int) *big.Int {
	if n < len(smallPowers) {
		return big.NewInt(smallPowers[n])
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}
