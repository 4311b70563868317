package row

import "math"

// ToDouble of a numeric value.
func ToDouble(v Value) float64 {
	switch v.kind {
	case Double:
		return v.Double()
	case Decimal:
		return v.Decimal().Double()
	default:
		return float64(v.num)
	}
}

// ToDec of an INTEGER, BIGINT or DECIMAL.
func ToDec(v Value) Dec {
	if v.kind == Decimal {
		return v.Decimal()
	}
	return Dec{small: v.num}
}

// DoubleToLong cuts the fraction off and saturates at the ends of BIGINT, NaN is 0: Java's (long) of a double.
func DoubleToLong(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// DoubleToInt is DoubleToLong for INTEGER.
func DoubleToInt(f float64) int32 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt32:
		return math.MaxInt32
	case f <= math.MinInt32:
		return math.MinInt32
	}
	return int32(f)
}
