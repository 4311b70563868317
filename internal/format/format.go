// Package format turns rows into bytes and back: the formats of SQL sources, of connectors and of the REST proxy.
//
// A format is opened for the columns of one side of a record, its key or its value, and gives a [Decoder] and an [Encoder]
// that hold compiled plans for those columns. Both belong to one goroutine; neither does I/O of its own, except that
// formats with registered schemas ask a registry's client the first time they meet an id.
//
// The rules are ksqlDB's, so that topics written by it and for it are read alike; where its behaviour is an accident, the
// docstring of the format says what we do instead. Errors carry its texts, because its users match them.
package format

import (
	"errors"
	"fmt"

	"leat.dev/internal/row"
)

// Side is the part of a record that a format is opened for.
type Side struct {
	Topic   string       // named in errors
	Key     bool         // the record's key, not its value
	Columns []row.Column // of this side, in order
	Unwrap  bool         // the one column stands bare, not as a field of an object; needs exactly one column
}

// Decoder reads rows. What it returns shares the memory of data and of the arena: it is valid until either is reused.
type Decoder interface {
	// Decode reads one row from the bytes of one key or value. Nil data is a NULL row, returned as nil. Errors name the
	// topic, the side and, in formats that have one, the path of what could not be read.
	Decode(a *row.Arena, data []byte) (row.Row, error)
}

// Encoder writes rows.
type Encoder interface {
	// Encode appends the bytes of a row to dst. A nil row is a tombstone: the result is nil whatever dst was.
	Encode(dst []byte, r row.Row) ([]byte, error)
}

// Columns of a row and of the format do not match: a mistake of the caller, found per row.
func (s *Side) checkCount(what string, got int) error {
	if got != len(s.Columns) {
		return fmt.Errorf("Column count mismatch on %s. topic: %s, expected: %d, got: %d", what, s.Topic, len(s.Columns), got) //nolint:staticcheck // ksqlDB's text
	}
	return nil
}

func (s *Side) name() string {
	if s.Key {
		return "key"
	}
	return "value"
}

// errNoColumns says that a format without columns met bytes.
var errNoColumns = errors.New("the format has no columns, and reads and writes NULL only")

// Nothing is the format of a side without columns: KAFKA with none, and NONE. It reads whatever is there as a NULL row and
// writes NULL.
type Nothing struct{}

// Decode gives a NULL row.
func (Nothing) Decode(*row.Arena, []byte) (row.Row, error) { return nil, nil }

// Encode writes NULL; a row with values fails.
func (Nothing) Encode(_ []byte, r row.Row) ([]byte, error) {
	if len(r) > 0 {
		return nil, errNoColumns
	}
	return nil, nil
}
