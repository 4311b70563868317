package row

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// Rounding says what happens to digits that a scale has no place for.
type Rounding uint8

// The ways of rounding, by Java's names.
const (
	RoundUnnecessary Rounding = iota // fail with ErrRounding when a digit other than zero would be lost
	RoundHalfUp                      // to the nearest, ties away from zero
	RoundHalfDown                    // to the nearest, ties toward zero
	RoundDown                        // toward zero
)

// Rescale gives the number with exactly this scale. It fails with ErrRounding if r forbids rounding and digits would be
// lost, and with ErrOverflow if the result has more than MaxDecScale digits.
func (d Dec) Rescale(scale int32, r Rounding) (Dec, error) {
	if scale == d.scale {
		return d, nil
	}
	if d.Sign() == 0 {
		return Dec{scale: scale}, nil
	}
	shift := int64(scale) - int64(d.scale)
	if shift > 0 {
		if shift+int64(d.Digits()) > 2*MaxDecScale {
			return Dec{}, fmt.Errorf("%w: %s has too many digits with scale %d", ErrOverflow, d, scale)
		}
		if d.big == nil && shift < int64(len(smallPowers)) {
			if n, ok := mulInt64(d.small, smallPowers[shift]); ok {
				return Dec{small: n, scale: scale}, nil
			}
		}
		return DecOfBig(new(big.Int).Mul(d.coefficient(), pow10(int(shift))), scale), nil
	}
	drop := -shift
	if drop > int64(d.Digits())+1 { // less than half of the last place, whatever the digits are
		if r == RoundUnnecessary {
			return Dec{}, ErrRounding
		}
		return Dec{scale: scale}, nil
	}
	return divide(d.coefficient(), pow10(int(drop)), scale, r)
}

// divide is n/m with this scale, rounded.
func divide(n, m *big.Int, scale int32, r Rounding) (Dec, error) {
	q, rest := new(big.Int).QuoRem(n, m, new(big.Int))
	if rest.Sign() == 0 {
		return DecOfBig(q, scale), nil
	}
	switch r {
	case RoundUnnecessary:
		return Dec{}, ErrRounding
	case RoundDown:
		return DecOfBig(q, scale), nil
	}
	half := new(big.Int).Lsh(new(big.Int).Abs(rest), 1).CmpAbs(m)
	if half > 0 || (half == 0 && r == RoundHalfUp) {
		one := int64(n.Sign() * m.Sign())
		q.Add(q, big.NewInt(one))
	}
	return DecOfBig(q, scale), nil
}

// Fit gives the number in DECIMAL(precision, scale), widened but never rounded: "Cannot fit decimal '1.123' into
// DECIMAL(4, 2) without rounding. (Requires 4,3)" otherwise, or ErrOverflow when its whole part has too many digits.
func (d Dec) Fit(precision, scale int32) (Dec, error) {
	if err := d.CheckOverflow(precision, scale); err != nil {
		return Dec{}, err
	}
	f, err := d.Rescale(scale, RoundUnnecessary)
	if err != nil {
		digits := max(d.Digits(), d.scale)
		return Dec{}, fmt.Errorf("Cannot fit decimal '%s' into DECIMAL(%d, %d) without rounding. (Requires %d,%d)%w", //nolint:staticcheck // ksqlDB's text
			d.AppendPlain(nil), precision, scale, digits, d.scale, silent{err})
	}
	return f, nil
}

// Cast gives the number in DECIMAL(precision, scale), rounded half up, or ErrOverflow.
func (d Dec) Cast(precision, scale int32) (Dec, error) {
	if err := d.CheckOverflow(precision, scale); err != nil {
		return Dec{}, err
	}
	f, err := d.Rescale(scale, RoundHalfUp)
	if err != nil {
		return Dec{}, err
	}
	if f.Digits() > precision {
		return Dec{}, overflow(d, precision, scale)
	}
	return f, nil
}

// CheckOverflow fails with ErrOverflow when the whole part of the number has more than precision - scale digits.
func (d Dec) CheckOverflow(precision, scale int32) error {
	if d.Sign() != 0 && int64(d.Digits())-int64(d.scale) > int64(precision)-int64(scale) {
		return overflow(d, precision, scale)
	}
	return nil
}

func overflow(d Dec, precision, scale int32) error {
	return fmt.Errorf("%w: A field with precision %d and scale %d must round to an absolute value less than 10^%d. Got %s",
		ErrOverflow, precision, scale, precision-scale, d.AppendPlain(nil))
}

// silent lets errors.Is find what it wraps without showing it.
type silent struct{ err error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.err }

// Neg is -d.
func (d Dec) Neg() Dec {
	if d.big == nil && d.small != math.MinInt64 {
		return Dec{small: -d.small, scale: d.scale}
	}
	return DecOfBig(new(big.Int).Neg(d.coefficient()), d.scale)
}

// align brings both coefficients to the larger scale. The fast result is valid if ok.
func align(a, b Dec) (x, y int64, scale int32, ok bool) {
	if a.big != nil || b.big != nil {
		return 0, 0, 0, false
	}
	shift := int64(a.scale) - int64(b.scale)
	switch {
	case shift == 0:
		return a.small, b.small, a.scale, true
	case shift > 0 && shift < int64(len(smallPowers)):
		y, ok = mulInt64(b.small, smallPowers[shift])
		return a.small, y, a.scale, ok
	case shift < 0 && -shift < int64(len(smallPowers)):
		x, ok = mulInt64(a.small, smallPowers[-shift])
		return x, b.small, b.scale, ok
	}
	return 0, 0, 0, false
}

func alignBig(a, b Dec) (x, y *big.Int, scale int32, err error) {
	scale = max(a.scale, b.scale)
	if a, err = a.Rescale(scale, RoundUnnecessary); err != nil {
		return nil, nil, 0, err
	}
	if b, err = b.Rescale(scale, RoundUnnecessary); err != nil {
		return nil, nil, 0, err
	}
	return a.coefficient(), b.coefficient(), scale, nil
}

// Add is d + o exactly, with the larger scale; ErrOverflow beyond 2*MaxDecScale digits.
func (d Dec) Add(o Dec) (Dec, error) {
	if x, y, scale, ok := align(d, o); ok {
		if s := x + y; (s > x) == (y > 0) {
			return Dec{small: s, scale: scale}, nil
		}
	}
	x, y, scale, err := alignBig(d, o)
	if err != nil {
		return Dec{}, err
	}
	return DecOfBig(new(big.Int).Add(x, y), scale), nil
}

// Sub is d - o exactly, as Add.
func (d Dec) Sub(o Dec) (Dec, error) { return d.Add(o.Neg()) }

// Mul is d × o exactly, with the sum of the scales; ErrOverflow when that does not fit or the digits are too many.
func (d Dec) Mul(o Dec) (Dec, error) {
	scale := int64(d.scale) + int64(o.scale)
	if scale > math.MaxInt32 || scale < math.MinInt32 {
		return Dec{}, fmt.Errorf("%w: the product's scale is %d", ErrOverflow, scale)
	}
	if d.big == nil && o.big == nil {
		if n, ok := mulInt64(d.small, o.small); ok {
			return Dec{small: n, scale: int32(scale)}, nil
		}
	}
	if int64(d.Digits())+int64(o.Digits()) > 4*MaxDecScale {
		return Dec{}, fmt.Errorf("%w: the product has too many digits", ErrOverflow)
	}
	return DecOfBig(new(big.Int).Mul(d.coefficient(), o.coefficient()), int32(scale)), nil
}

// Div is d / o with this scale, rounded by r. ErrDivideByNil for o = 0.
func (d Dec) Div(o Dec, scale int32, r Rounding) (Dec, error) {
	if o.Sign() == 0 {
		return Dec{}, ErrDivideByNil
	}
	if d.Sign() == 0 {
		return Dec{scale: scale}, nil
	}
	// d.c / o.c * 10^(o.s - d.s + scale)
	shift := int64(o.scale) - int64(d.scale) + int64(scale)
	n, m := d.coefficient(), o.coefficient()
	switch {
	case shift > 2*MaxDecScale || shift < -2*MaxDecScale:
		return Dec{}, fmt.Errorf("%w: the quotient needs %d places", ErrOverflow, shift)
	case shift >= 0:
		n = new(big.Int).Mul(n, pow10(int(shift)))
	default:
		m = new(big.Int).Mul(m, pow10(int(-shift)))
	}
	return divide(n, m, scale, r)
}

// Rem is what is left of d after as many whole o as fit, with d's sign and the larger scale. ErrDivideByNil for o = 0.
func (d Dec) Rem(o Dec) (Dec, error) {
	if o.Sign() == 0 {
		return Dec{}, ErrDivideByNil
	}
	if x, y, scale, ok := align(d, o); ok && y != 0 && y != -1 {
		return Dec{small: x % y, scale: scale}, nil
	}
	x, y, scale, err := alignBig(d, o)
	if err != nil {
		return Dec{}, err
	}
	return DecOfBig(new(big.Int).Rem(x, y), scale), nil
}

// Double is the nearest DOUBLE.
func (d Dec) Double() float64 {
	if d.big == nil && d.scale >= 0 && d.scale <= 15 && magnitude(d.small) < 1<<53 {
		return float64(d.small) / float64(smallPowers[d.scale]) // both exact: one correct rounding
	}
	f, _ := strconv.ParseFloat(d.String(), 64) // out of range is an infinity or zero, which is meant
	return f
}

// Low64 is the whole part cut to its low 64 bits, as BigDecimal.longValue.
func (d Dec) Low64() int64 {
	if d.scale == 0 && d.big == nil {
		return d.small
	}
	if d.scale <= -64 { // 10^64 is a multiple of 2^64
		return 0
	}
	whole, err := d.Rescale(0, RoundDown)
	if err != nil {
		return 0
	}
	if whole.big == nil {
		return whole.small
	}
	low := new(big.Int).And(whole.big, new(big.Int).SetUint64(math.MaxUint64)) // And is two's complement for negatives
	return int64(low.Uint64())                                                 //nolint:gosec // the low bits are meant
}

func mulInt64(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	p := a * b
	if (a == math.MinInt64 && b == -1) || (b == math.MinInt64 && a == -1) || p/b != a {
		return 0, false
	}
	return p, true
}
