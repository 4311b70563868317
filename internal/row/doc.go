// Package row holds typed values and rows: what SQL, connectors and the REST proxy move in and out of bytes.
//
// A [Value] is 24 bytes: a kind, a number or a length, and a pointer for what does not fit. Values of one row stand in a
// slice, so a batch of rows is one allocation and no interface is boxed. A Value does not know its full type; the
// [Type] that belongs to it (precision of a decimal, fields of a struct) is known to whoever holds the column. NULL is
// a Value of every type, and the zero Value.
//
// The package owns no goroutine, does no I/O and keeps no state. Values are immutable once made: who builds one from a
// slice gives the slice away. Bytes and strings are never copied here; a decoder that reuses its buffer copies before it
// makes a Value.
//
// Text forms, comparison and arithmetic follow SQL as ksqlDB speaks it, and so Java's: doubles print as
// Double.toString (Java 19 and later), decimals as BigDecimal, strings are ordered by UTF-16 units, integers wrap around.
package row
