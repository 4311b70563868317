package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/when"
)

// AppendJSON writes a record as one JSON object. A key or value that is not valid UTF-8, or that a flag wants
// encoded, says so in key_encoding or value_encoding; null stays null.
//
//	{"topic":"t","partition":0,"offset":7,"timestamp":"2026-01-31T08:00:00.000Z","key":"a","value":"b","headers":[]}
func AppendJSON(dst []byte, r *kgo.Record, key, value Encoding) []byte {
	dst = append(dst, `{"topic":`...)
	dst = appendString(dst, []byte(r.Topic))
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(r.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, r.Offset, 10)
	if ms := r.Timestamp.UnixMilli(); ms >= 0 {
		dst = append(dst, `,"timestamp":"`...)
		dst = append(dst, when.Format(ms)...)
		dst = append(dst, '"')
	}
	if r.Attrs.TimestampType() == 1 {
		dst = append(dst, `,"timestamp_type":"append"`...)
	}
	dst = appendField(dst, "key", r.Key, key)
	dst = appendField(dst, "value", r.Value, value)
	if len(r.Headers) > 0 {
		dst = append(dst, `,"headers":[`...)
		for i, h := range r.Headers {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"key":`...)
			dst = appendString(dst, []byte(h.Key))
			dst = appendField(dst, "value", h.Value, Text)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendField(dst []byte, name string, v []byte, e Encoding) []byte {
	dst = append(dst, `,"`+name+`":`...)
	if v == nil {
		return append(dst, "null"...)
	}
	if e == JSON {
		var b bytes.Buffer
		if json.Compact(&b, v) == nil {
			dst = append(dst, b.Bytes()...)
			return append(dst, `,"`+name+`_encoding":"json"`...)
		}
		e = Text
	}
	if e == Text && !utf8.Valid(v) {
		e = Base64
	}
	if e == Text {
		return appendString(dst, v)
	}
	dst = append(dst, '"')
	dst = e.Append(dst, v)
	return append(dst, `","`+name+`_encoding":"`+string(e)+`"`...)
}

type jsonRecord struct {
	Partition     *int32          `json:"partition"`
	Timestamp     json.RawMessage `json:"timestamp"`
	Key           json.RawMessage `json:"key"`
	KeyEncoding   Encoding        `json:"key_encoding"`
	Value         json.RawMessage `json:"value"`
	ValueEncoding Encoding        `json:"value_encoding"`
	Headers       []jsonHeader    `json:"headers"`

	Topic         string `json:"topic"`
	Offset        *int64 `json:"offset"`
	TimestampType string `json:"timestamp_type"`
}

type jsonHeader struct {
	Key           string          `json:"key"`
	Value         json.RawMessage `json:"value"`
	ValueEncoding Encoding        `json:"value_encoding"`
}

// ParseJSON reads a record from the form that AppendJSON writes; topic and offset are ignored, the partition is
// -1 if there is none. A value that is not a string is taken as JSON text, so {"value":{"a":1}} works as well.
func ParseJSON(line []byte) (*kgo.Record, error) {
	var j jsonRecord
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return nil, fmt.Errorf("not a record in JSON: %w", err)
	}
	if dec.More() {
		return nil, errors.New("more than one JSON value on a line")
	}
	r := &kgo.Record{Partition: -1}
	if j.Partition != nil {
		r.Partition = *j.Partition
	}
	var err error
	if r.Timestamp, err = parseTimestamp(j.Timestamp); err != nil {
		return nil, err
	}
	if r.Key, err = parseField("key", j.Key, j.KeyEncoding); err != nil {
		return nil, err
	}
	if r.Value, err = parseField("value", j.Value, j.ValueEncoding); err != nil {
		return nil, err
	}
	for _, h := range j.Headers {
		v, err := parseField("header "+h.Key, h.Value, h.ValueEncoding)
		if err != nil {
			return nil, err
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: v})
	}
	return r, nil
}

func parseTimestamp(raw json.RawMessage) (time.Time, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return time.Time{}, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return t, fmt.Errorf("timestamp %q is not of the form 2026-01-31T08:00:00Z", text)
		}
		return t, nil
	}
	ms, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || ms < 0 {
		return time.Time{}, fmt.Errorf("timestamp %s is neither a time nor milliseconds since 1970", raw)
	}
	return time.UnixMilli(ms), nil
}

func parseField(name string, raw json.RawMessage, e Encoding) ([]byte, error) {
	if e == JSON && len(raw) > 0 {
		return raw, nil
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '"' {
		if e != "" && e != Text {
			return nil, fmt.Errorf("%s: with the encoding %q it must be a string", name, e)
		}
		return raw, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch e {
	case "", Text:
		return []byte(text), nil
	case Base64, Hex:
		v, err := e.Decode([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return v, nil
	}
	return nil, fmt.Errorf("%s: the encoding %q is not known", name, e)
}
