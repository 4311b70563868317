package logfile

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"leat.dev/internal/cli/record"
	"leat.dev/internal/cli/when"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// batchWriter writes the batches of one file as lines of a table or of JSON.
type batchWriter struct {
	d      *dumper
	decode func(batch.Record) (string, bool)
	dec    compress.Decompressor
}

type batchJSON struct {
	Position      int64        `json:"position"`
	Bytes         int          `json:"bytes"`
	BaseOffset    int64        `json:"base_offset"`
	LastOffset    int64        `json:"last_offset"`
	Count         int32        `json:"count"`
	LeaderEpoch   int32        `json:"leader_epoch"`
	Compression   string       `json:"compression"`
	TimestampType string       `json:"timestamp_type"`
	MaxTimestamp  int64        `json:"max_timestamp"`
	ProducerID    int64        `json:"producer_id"`
	ProducerEpoch int16        `json:"producer_epoch"`
	BaseSequence  int32        `json:"base_sequence"`
	LastSequence  int32        `json:"last_sequence"`
	Transactional bool         `json:"transactional"`
	Control       bool         `json:"control"`
	DeleteHorizon *int64       `json:"delete_horizon,omitempty"`
	CRC           uint32       `json:"crc"`
	Valid         bool         `json:"valid"`
	Damage        string       `json:"damage,omitempty"`
	Records       []recordJSON `json:"records,omitempty"`
}

type recordJSON struct {
	Offset        int64             `json:"offset"`
	Timestamp     int64             `json:"timestamp"`
	Key           *string           `json:"key"`
	KeyEncoding   string            `json:"key_encoding,omitempty"`
	Value         *string           `json:"value"`
	ValueEncoding string            `json:"value_encoding,omitempty"`
	Headers       []json.RawMessage `json:"headers,omitempty"`
	Control       string            `json:"control,omitempty"`
	Decoded       string            `json:"decoded,omitempty"`
}

const batchLine = "%-17s %10s %8s %8s %-6s %5s %-24s %-22s %s\n"

func (w *batchWriter) header() {
	fmt.Fprintf(w.d.w, batchLine, "OFFSETS", "POSITION", "BYTES", "RECORDS", "CODEC", "EPOCH", "NEWEST", "PRODUCER", "FLAGS")
}

// write writes one batch. It returns an error if its records cannot be read.
func (w *batchWriter) write(at batchAt, bad *damage) error {
	var records []batch.Record
	var recordErr error
	if w.d.o.records {
		records, recordErr = w.records(at)
	}
	var err error
	if w.d.json {
		err = w.json(at, bad, records, recordErr)
	} else {
		w.text(at, bad, records, recordErr)
	}
	if err == nil {
		err = recordErr
	}
	return err
}

func (w *batchWriter) records(at batchAt) ([]batch.Record, error) {
	var out []batch.Record
	for r, err := range at.b.Records(&w.dec, recordsBytesMax) {
		if err != nil {
			return out, err
		}
		r.Key, r.Value = clone(r.Key), clone(r.Value)
		for i := range r.Headers {
			r.Headers[i].Value = clone(r.Headers[i].Value)
		}
		r.Headers = append([]batch.RecordHeader(nil), r.Headers...)
		out = append(out, r)
	}
	return out, nil
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

func (w *batchWriter) text(at batchAt, bad *damage, records []batch.Record, recordErr error) {
	h := at.h
	producer := ""
	if h.ProducerID >= 0 {
		producer = fmt.Sprintf("%d/%d", h.ProducerID, h.ProducerEpoch)
		if h.BaseSequence >= 0 {
			producer += fmt.Sprintf(" seq %d-%d", h.BaseSequence, h.LastSequence())
		}
	}
	var flags []string
	for flag, on := range map[string]bool{"transactional": h.Transactional(), "control": h.Control(), "append-time": h.LogAppendTime(), "delete-horizon": h.HasDeleteHorizon()} {
		if on {
			flags = append(flags, flag)
		}
	}
	if len(flags) > 1 {
		flags = sorted(flags)
	}
	if bad != nil {
		flags = append(flags, "DAMAGED: "+bad.what)
	}
	span := fmt.Sprint(h.BaseOffset)
	if h.LastOffset() != h.BaseOffset {
		span = fmt.Sprintf("%d-%d", h.BaseOffset, h.LastOffset())
	}
	line := fmt.Sprintf(batchLine, span, fmt.Sprint(at.pos), fmt.Sprint(h.Size()), fmt.Sprint(h.Count), h.Codec(), fmt.Sprint(h.LeaderEpoch),
		when.Format(h.MaxTimestamp), producer, strings.Join(flags, " "))
	fmt.Fprintln(w.d.w, strings.TrimRight(line, " \n"))
	for _, r := range records {
		fmt.Fprintf(w.d.w, "  %d %s %s\n", r.Offset, when.Format(r.Timestamp), w.recordText(h, r))
	}
	if recordErr != nil {
		fmt.Fprintf(w.d.w, "  DAMAGED: %v\n", recordErr)
	}
}

func (w *batchWriter) recordText(h batch.Header, r batch.Record) string {
	if h.Control() {
		return controlText(r)
	}
	if w.decode != nil {
		if s, ok := w.decode(r); ok {
			return s
		}
	}
	s := "key=" + shown(r.Key, w.d.key) + " value=" + shown(r.Value, w.d.value)
	for _, hd := range r.Headers {
		s += fmt.Sprintf(" %s=%s", hd.Key, shown(hd.Value, record.Text))
	}
	return s
}

// shown writes bytes so that they stay on their line: as they are if they are plain text, in base64 otherwise.
func shown(v []byte, e record.Encoding) string {
	switch {
	case v == nil:
		return "null"
	case e != record.Text && e != record.JSON:
		return string(e.Append(nil, v))
	case !utf8.Valid(v) || strings.ContainsFunc(string(v), func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "base64:" + string(record.Base64.Append(nil, v))
	}
	return string(v)
}

func (w *batchWriter) json(at batchAt, bad *damage, records []batch.Record, recordErr error) error {
	h := at.h
	out := batchJSON{
		Position: at.pos, Bytes: h.Size(), BaseOffset: h.BaseOffset, LastOffset: h.LastOffset(), Count: h.Count,
		LeaderEpoch: h.LeaderEpoch, Compression: h.Codec().String(), TimestampType: "create", MaxTimestamp: h.MaxTimestamp,
		ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch, BaseSequence: h.BaseSequence, LastSequence: h.LastSequence(),
		Transactional: h.Transactional(), Control: h.Control(), CRC: h.CRC, Valid: bad == nil && recordErr == nil,
	}
	if h.LogAppendTime() {
		out.TimestampType = "append"
	}
	if h.HasDeleteHorizon() {
		horizon := h.DeleteHorizon()
		out.DeleteHorizon = &horizon
	}
	switch {
	case bad != nil:
		out.Damage = bad.what
	case recordErr != nil:
		out.Damage = recordErr.Error()
	}
	for _, r := range records {
		j := recordJSON{Offset: r.Offset, Timestamp: r.Timestamp}
		j.Key, j.KeyEncoding = jsonBytes(r.Key, w.d.key)
		j.Value, j.ValueEncoding = jsonBytes(r.Value, w.d.value)
		for _, hd := range r.Headers {
			v, e := jsonBytes(hd.Value, record.Text)
			raw, err := json.Marshal(struct {
				Key      string  `json:"key"`
				Value    *string `json:"value"`
				Encoding string  `json:"value_encoding,omitempty"`
			}{string(hd.Key), v, e})
			if err != nil {
				return err
			}
			j.Headers = append(j.Headers, raw)
		}
		if h.Control() {
			j.Control = controlText(r)
		} else if w.decode != nil {
			j.Decoded, _ = w.decode(r)
		}
		out.Records = append(out.Records, j)
	}
	enc := json.NewEncoder(w.d.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func jsonBytes(v []byte, e record.Encoding) (*string, string) {
	if v == nil {
		return nil, ""
	}
	if e == record.JSON {
		e = record.Text
	}
	if e == record.Text && !utf8.Valid(v) {
		e = record.Base64
	}
	s := string(e.Append(nil, v))
	if e == record.Text {
		return &s, ""
	}
	return &s, string(e)
}
