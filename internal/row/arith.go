package row

import (
	"fmt"
	"math"
)

// Op is an arithmetic operator.
type Op byte

// The arithmetic operators.
const (
	Add Op = '+'
	Sub Op = '-'
	Mul Op = '*'
	Div Op = '/'
	Rem Op = '%'
)

// Arithmetic gives the type of "l op r" and the function that computes it, for numeric types; the values it is called
// with must be of these types and not NULL.
//
// The wider of INTEGER < BIGINT < DECIMAL < DOUBLE is the result's. Integers wrap around and divide toward zero; x / 0 and
// x % 0 fail with ErrDivideByNil, but for doubles, which give infinities and NaN. Decimals are computed exactly; a result
// that would have to be rounded fails with ErrRounding, one with too many digits with ErrOverflow. Their types, with
// INTEGER as (10,0) and BIGINT as (19,0), follow SQL:
//
//   - -  scale max(s1,s2)       precision max(s1,s2) + max(p1-s1,p2-s2) + 1
//   - scale s1+s2            precision p1+p2+1
//     /    scale max(6,s1+p2+1)   precision p1-s1+s2+scale
//     %    scale max(s1,s2)       precision min(p1-s1,p2-s2) + max(s1,s2)
func Arithmetic(op Op, l, r *Type) (*Type, func(a, b Value) (Value, error), error) {
	if !l.kind.Numeric() || !r.kind.Numeric() {
		return nil, nil, fmt.Errorf("Unsupported arithmetic types. %s %s", l.kind, r.kind) //nolint:staticcheck // ksqlDB's text
	}
	switch {
	case l.kind == Double || r.kind == Double:
		f, err := doubleArithmetic(op)
		return DoubleType, f, err
	case l.kind == Decimal || r.kind == Decimal:
		return decimalArithmetic(op, decimalOf(l), decimalOf(r))
	case l.kind == Bigint || r.kind == Bigint:
		f, err := longArithmetic(op)
		return BigintType, f, err
	}
	f, err := intArithmetic(op)
	return IntegerType, f, err
}

func decimalOf(t *Type) *Type {
	switch t.kind {
	case Integer:
		return DecimalType(10, 0)
	case Bigint:
		return DecimalType(19, 0)
	}
	return t
}

func badOp(op Op) error { return fmt.Errorf("unknown arithmetic operator %q", rune(op)) }

func doubleArithmetic(op Op) (func(a, b Value) (Value, error), error) {
	switch op {
	case Add:
		return func(a, b Value) (Value, error) { return OfDouble(ToDouble(a) + ToDouble(b)), nil }, nil
	case Sub:
		return func(a, b Value) (Value, error) { return OfDouble(ToDouble(a) - ToDouble(b)), nil }, nil
	case Mul:
		return func(a, b Value) (Value, error) { return OfDouble(ToDouble(a) * ToDouble(b)), nil }, nil
	case Div:
		return func(a, b Value) (Value, error) { return OfDouble(ToDouble(a) / ToDouble(b)), nil }, nil
	case Rem:
		return func(a, b Value) (Value, error) { return OfDouble(math.Mod(ToDouble(a), ToDouble(b))), nil }, nil
	}
	return nil, badOp(op)
}

func longArithmetic(op Op) (func(a, b Value) (Value, error), error) {
	switch op {
	case Add:
		return func(a, b Value) (Value, error) { return OfLong(a.num + b.num), nil }, nil
	case Sub:
		return func(a, b Value) (Value, error) { return OfLong(a.num - b.num), nil }, nil
	case Mul:
		return func(a, b Value) (Value, error) { return OfLong(a.num * b.num), nil }, nil
	case Div:
		return func(a, b Value) (Value, error) {
			if b.num == 0 {
				return Value{}, ErrDivideByNil
			}
			return OfLong(a.num / b.num), nil
		}, nil
	case Rem:
		return func(a, b Value) (Value, error) {
			if b.num == 0 {
				return Value{}, ErrDivideByNil
			}
			return OfLong(a.num % b.num), nil
		}, nil
	}
	return nil, badOp(op)
}

// intArithmetic is that of longs, cut to 32 bits: the low bits of sum, difference and product are the same.
func intArithmetic(op Op) (func(a, b Value) (Value, error), error) {
	f, err := longArithmetic(op)
	if err != nil {
		return nil, err
	}
	return func(a, b Value) (Value, error) {
		v, err := f(a, b)
		if err != nil {
			return Value{}, err
		}
		return OfInt(int32(v.num)), nil //nolint:gosec // wraps around as Java's int
	}, nil
}

func decimalArithmetic(op Op, l, r *Type) (*Type, func(a, b Value) (Value, error), error) {
	p1, s1, p2, s2 := l.precision, l.scale, r.precision, r.scale
	var t *Type
	var f func(a, b Dec) (Dec, error)
	switch op {
	case Add, Sub:
		scale := max(s1, s2)
		t, f = DecimalType(scale+max(p1-s1, p2-s2)+1, scale), Dec.Add
		if op == Sub {
			f = Dec.Sub
		}
	case Mul:
		t, f = DecimalType(p1+p2+1, s1+s2), Dec.Mul
	case Div:
		scale := max(6, s1+p2+1)
		t = DecimalType(p1-s1+s2+scale, scale)
		f = func(a, b Dec) (Dec, error) { return a.Div(b, scale, RoundUnnecessary) }
	case Rem:
		scale := max(s1, s2)
		t, f = DecimalType(min(p1-s1, p2-s2)+scale, scale), Dec.Rem
	default:
		return nil, nil, badOp(op)
	}
	return t, func(a, b Value) (Value, error) {
		d, err := f(ToDec(a), ToDec(b))
		if err != nil {
			return Value{}, err
		}
		if err := d.CheckOverflow(t.precision, t.scale); err != nil {
			return Value{}, err
		}
		if d, err = d.Rescale(t.scale, RoundUnnecessary); err != nil {
			return Value{}, err
		}
		return OfDecimal(d), nil
	}, nil
}

// Negate is -v for a numeric value of any type; the least INTEGER and BIGINT stay what they are.
func Negate(v Value) Value {
	switch v.kind {
	case Integer:
		return OfInt(-int32(v.num)) //nolint:gosec // made from an int32
	case Bigint:
		return OfLong(-v.num)
	case Double:
		return OfDouble(-v.Double())
	case Decimal:
		return OfDecimal(v.Decimal().Neg())
	}
	return Value{}
}
