package commitlog

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// maxRecordErrors bounds the list of refused records in one answer.
const maxRecordErrors = 1000

// parse takes the first batch off b, with Kafka's error codes.
func parse(b []byte) (batch.Batch, []byte, *AppendError) {
	one, rest, err := batch.Parse(b)
	switch {
	case err == nil:
		return one, rest, nil
	case errors.Is(err, batch.ErrShort), errors.Is(err, batch.ErrMagic):
		return nil, nil, refuse(kerr.InvalidRecord, "%v", err)
	default:
		return nil, nil, refuse(kerr.CorruptMessage, "%v", err)
	}
}

// validate checks one batch as a leader has to before it is given offsets, and
// returns it as it is to be stored: b itself, perhaps changed in place, or a
// recompressed one. Records are decoded only if a check needs them.
func validate(b batch.Batch, c *Config, o AppendOptions, now int64) (batch.Batch, *AppendError) {
	h := b.Header()
	if err := checkHeader(b, &h, c, o); err != nil {
		return nil, err
	}
	if o.Origin == Raft || h.Control() {
		return b, nil
	}
	target := h.Codec()
	if c.Compression != CompressionProducer {
		target = compress.Codec(c.Compression)
	}
	maxTimestamp := h.MaxTimestamp
	if needsRecords(&h, c, target, now) {
		checked, max, err := checkRecords(b, &h, c, target, now)
		if err != nil {
			return nil, err
		}
		b, maxTimestamp = checked, max
	}
	if c.LogAppendTime {
		maxTimestamp = now
	}
	b.SetTimestamps(c.LogAppendTime, maxTimestamp)
	if len(b) > int(c.SegmentBytes) {
		return nil, refuse(kerr.RecordListTooLarge, "batch of %d bytes, segments have %d", len(b), c.SegmentBytes)
	}
	return b, nil
}

func checkHeader(b batch.Batch, h *batch.Header, c *Config, o AppendOptions) *AppendError {
	client := o.Origin == Client
	switch {
	case client && h.BaseOffset != 0:
		return refuse(kerr.InvalidRecord, "base offset is %d, not 0", h.BaseOffset)
	case o.Origin != Raft && len(b) > int(c.MaxMessageBytes):
		return tooLarge(len(b), c)
	case !b.VerifyCRC():
		return refuse(kerr.CorruptMessage, "batch fails its checksum")
	case h.Count <= 0 || h.LastOffsetDelta != h.Count-1:
		return refuse(kerr.InvalidRecord, "%d records in an offset range of %d", h.Count, int64(h.LastOffsetDelta)+1)
	case !h.Codec().Valid():
		return refuse(kerr.UnsupportedCompressionType, "compression %d is unknown", h.Codec())
	case client && h.Control():
		return refuse(kerr.InvalidRecord, "producers may not write control batches")
	case client && h.HasProducer() && h.BaseSequence < 0:
		return refuse(kerr.InvalidRecord, "sequence %d of producer %d", h.BaseSequence, h.ProducerID)
	case client && h.Codec() == compress.Zstd && o.RequestVersion > 0 && o.RequestVersion < 7:
		return refuse(kerr.UnsupportedCompressionType, "zstd needs version 7 of Produce")
	}
	return nil
}

func tooLarge(size int, c *Config) *AppendError {
	return refuse(kerr.MessageTooLarge, "batch of %d bytes, %d are allowed", size, c.MaxMessageBytes)
}

// needsRecords tells whether the header alone cannot decide. The largest
// timestamp in it covers the upper limit; there is no smallest one.
func needsRecords(h *batch.Header, c *Config, target compress.Codec, now int64) bool {
	switch {
	case c.Compact, h.Codec() != target, h.LogAppendTime():
		return true
	case c.LogAppendTime:
		return false
	}
	return c.TimestampBeforeMax < Forever ||
		c.TimestampAfterMax < Forever && h.MaxTimestamp > now+c.TimestampAfterMax.Milliseconds()
}

// checkRecords checks every record, recompresses the batch if its codec or its
// inner offsets are not what is stored, and finds the largest timestamp.
func checkRecords(b batch.Batch, h *batch.Header, c *Config, target compress.Codec, now int64) (batch.Batch, int64, *AppendError) {
	d := newDecoder()
	defer d.close()
	it := &d.records
	rebuild := h.Codec() != target
	if rebuild {
		d.builder.Reset(rebuilt(h, c, target, now))
	}
	maxTimestamp, errs, code := int64(-1), []RecordError(nil), kerr.InvalidRecord
	contiguous := true
	d.open(b)
	for i := int32(0); it.Next(); i++ {
		r := it.Record()
		maxTimestamp = max(maxTimestamp, r.Timestamp)
		contiguous = contiguous && r.Offset == h.BaseOffset+int64(i)
		if msg, badTime := checkRecord(r, h, c, now); msg != "" {
			if badTime {
				code = kerr.InvalidTimestamp
			}
			if len(errs) < maxRecordErrors {
				errs = append(errs, RecordError{i, msg})
			}
		}
		if rebuild && errs == nil {
			d.builder.Append(r.Timestamp, r.Key, r.Value, r.Headers)
		}
	}
	if err := it.Err(); err != nil {
		if errors.Is(err, compress.ErrTooLarge) {
			return nil, 0, refuse(kerr.MessageTooLarge, "%v", err)
		}
		return nil, 0, refuse(kerr.InvalidRecord, "%v", err)
	}
	if errs != nil {
		return nil, 0, &AppendError{Code: code, Message: fmt.Sprintf("%d records of the batch are refused", len(errs)), RecordErrors: errs}
	}
	if !rebuild && !contiguous && h.Codec() != compress.None {
		rebuild = true
		d.builder.Reset(rebuilt(h, c, target, now))
		d.open(b)
		for it.Next() {
			r := it.Record()
			d.builder.Append(r.Timestamp, r.Key, r.Value, r.Headers)
		}
	}
	if !rebuild {
		return b, maxTimestamp, nil
	}
	out, err := d.builder.Finish()
	if err != nil {
		return nil, 0, refuse(kerr.UnknownServerError, "recompress: %v", err)
	}
	if target == compress.None {
		out = append(batch.Batch(nil), out...) // the builder's memory is used again
	}
	if len(out) > int(c.MaxMessageBytes) {
		return nil, 0, tooLarge(len(out), c)
	}
	return out, maxTimestamp, nil
}

// rebuilt is how a recompressed batch differs from the original.
func rebuilt(h *batch.Header, c *Config, target compress.Codec, now int64) batch.BuilderOptions {
	o := batch.OptionsFrom(*h)
	o.Codec, o.Level = target, codecLevel(c, target)
	o.LogAppendTime, o.MaxTimestamp = c.LogAppendTime, now
	return o
}

// checkRecord returns why a record is refused, "" if it is not.
func checkRecord(r *batch.Record, h *batch.Header, c *Config, now int64) (msg string, badTime bool) {
	if c.Compact && r.Key == nil {
		return "A record without a key cannot be stored in a compacted topic.", false
	}
	if !c.LogAppendTime && r.Timestamp != -1 {
		before, after := c.TimestampBeforeMax, c.TimestampAfterMax
		if before < Forever && r.Timestamp < now-before.Milliseconds() ||
			after < Forever && r.Timestamp > now+after.Milliseconds() {
			return timestampRange(r.Timestamp, before, after, now), true
		}
		return "", false
	}
	if h.LogAppendTime() {
		return "A producer may not set the timestamp type to LogAppendTime.", true
	}
	return "", false
}
