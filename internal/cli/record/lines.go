package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordBytesMax bounds one record read from a stream, so that a missing delimiter does not eat the memory.
const recordBytesMax = 256 << 20

// LineFormat describes records written one after the other in a stream of text.
type LineFormat struct {
	Delimiter    string // between records
	KeySeparator string // between key and value; empty for records without a key
	KeyOptional  bool   // a record without the separator has no key instead of being an error
	Key, Value   Encoding
	NullMarker   string // a value of exactly this text is null; empty for none
	KeysOnly     bool   // each record is a key whose value is null
	JSON         bool   // each record is a JSON object as AppendJSON writes it
}

// Lines reads records from a stream and calls fn for each, until the stream ends or fn fails. Errors name the
// number of the record within the stream.
func Lines(in io.Reader, f LineFormat, fn func(*kgo.Record) error) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), recordBytesMax)
	s.Split(splitter([]byte(f.Delimiter)))
	for n := 1; s.Scan(); n++ {
		line := s.Bytes()
		if f.JSON && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r, err := f.parse(bytes.Clone(line))
		if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("a record is longer than %d MiB: is the delimiter right?", recordBytesMax>>20)
	} else if err != nil {
		return err
	}
	return nil
}

// splitter cuts a stream at a delimiter. An empty delimiter makes the whole stream one record.
func splitter(delimiter []byte) bufio.SplitFunc {
	return func(data []byte, atEOF bool) (int, []byte, error) {
		if len(delimiter) > 0 {
			if i := bytes.Index(data, delimiter); i >= 0 {
				return i + len(delimiter), data[:i], nil
			}
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	}
}

func (f LineFormat) parse(line []byte) (*kgo.Record, error) {
	if f.Delimiter == "\n" {
		line = bytes.TrimSuffix(line, []byte("\r"))
	}
	if f.JSON {
		return ParseJSON(line)
	}
	r := &kgo.Record{Partition: -1}
	var err error
	if f.KeysOnly {
		r.Key, err = f.Key.Decode(line)
		return r, err
	}
	value := line
	if f.KeySeparator != "" {
		key, rest, found := bytes.Cut(line, []byte(f.KeySeparator))
		switch {
		case found:
			value = rest
			if f.NullMarker == "" || string(key) != f.NullMarker {
				if r.Key, err = f.Key.Decode(key); err != nil {
					return nil, fmt.Errorf("key: %w", err)
				}
			}
		case !f.KeyOptional:
			return nil, fmt.Errorf("no key separator %q in %q", f.KeySeparator, shorten(line))
		}
	}
	if f.NullMarker != "" && string(value) == f.NullMarker {
		return r, nil
	}
	if r.Value, err = f.Value.Decode(value); err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	if r.Value == nil {
		r.Value = []byte{} // an empty line is an empty value, not a tombstone
	}
	return r, nil
}

func shorten(b []byte) string {
	const most = 40
	if len(b) <= most {
		return string(b)
	}
	return string(b[:most]) + "…"
}
