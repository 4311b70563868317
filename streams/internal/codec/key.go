package codec

import "math"

// Sizes of what windows add to a key.
const (
	timeWindowSuffix = 8         // start
	sessionSuffix    = 8 + 8     // end, start
	windowSuffix     = 8 + 4     // start, sequence
	outerPrefix      = 8 + 1     // timestamp, side
	timeFirstFrame   = 1 + 8 + 4 // zero, timestamp, sequence
)

// AppendTimeWindow appends the key of a time window as TimeWindowedSerde writes it to user topics: the key, then the
// window's start in milliseconds. The window's end is not written; readers know its size.
func AppendTimeWindow(dst, key []byte, start int64) []byte {
	return put64(append(dst, key...), start)
}

// TimeWindow takes the key of AppendTimeWindow apart.
func TimeWindow(b []byte) (key []byte, start int64, err error) {
	n := len(b) - timeWindowSuffix
	if n < 0 {
		return nil, 0, tooShort("key of a time window", len(b), timeWindowSuffix)
	}
	return b[:n:n], get64(b[n:]), nil
}

// WindowEnd is where a window ends that starts at start: the end of time if that is beyond it, as in Kafka.
func WindowEnd(start, size int64) int64 {
	if end := start + size; end >= 0 {
		return end
	}
	return math.MaxInt64
}

// AppendSession appends the key of a session, on user topics, in stores and on changelogs alike: the key, the session's
// end, its start. The end comes first so that stores can seek by it.
func AppendSession(dst, key []byte, start, end int64) []byte {
	return put64(put64(append(dst, key...), end), start)
}

// Session takes the key of AppendSession apart.
func Session(b []byte) (key []byte, start, end int64, err error) {
	n := len(b) - sessionSuffix
	if n < 0 {
		return nil, 0, 0, tooShort("key of a session", len(b), sessionSuffix)
	}
	return b[:n:n], get64(b[n+8:]), get64(b[n:]), nil
}

// AppendWindow appends the key of a window store and its changelog: the key, the window's start, a sequence number. The
// sequence is 0 but in stores that keep duplicates (those of stream-stream joins), which number their records from 1.
func AppendWindow(dst, key []byte, start int64, seq int32) []byte {
	return put32(put64(append(dst, key...), start), seq)
}

// Window takes the key of AppendWindow apart.
func Window(b []byte) (key []byte, start int64, seq int32, err error) {
	n := len(b) - windowSuffix
	if n < 0 {
		return nil, 0, 0, tooShort("key of a window store", len(b), windowSuffix)
	}
	return b[:n:n], get64(b[n:]), get32(b[n+8:]), nil
}

// AppendTimeFirst appends a key that is ordered by time: a zero byte, the time, the key, a sequence number. Time-ordered
// window stores keep their windows under it (their changelogs have AppendWindow's); the buffer of a stream-table join with
// grace has it on its changelog too, with sequences from 1.
func AppendTimeFirst(dst, key []byte, time int64, seq int32) []byte {
	return put32(append(put64(append(dst, 0), time), key...), seq)
}

// TimeFirst takes the key of AppendTimeFirst apart.
func TimeFirst(b []byte) (key []byte, time int64, seq int32, err error) {
	c := cursor{b: b, what: "time-ordered key"}
	if len(b) < timeFirstFrame {
		return nil, 0, 0, tooShort(c.what, len(b), timeFirstFrame)
	}
	if b[0] != 0 {
		c.fail("prefix %d", b[0])
		return nil, 0, 0, c.err
	}
	n := len(b) - 4
	return b[9:n:n], get64(b[1:]), get32(b[n:]), nil
}

// Side of a stream-stream join. Right is the lower number and sorts first at equal timestamps.
type Side byte

// The sides.
const (
	Right Side = 0
	Left  Side = 1
)

// AppendOuterKey appends the key of the store in which left and outer joins keep what found no match yet: the record's
// timestamp, its side, its key.
func AppendOuterKey(dst []byte, timestamp int64, side Side, key []byte) []byte {
	return append(append(put64(dst, timestamp), byte(side)), key...)
}

// OuterKey takes the key of AppendOuterKey apart.
func OuterKey(b []byte) (timestamp int64, side Side, key []byte, err error) {
	c := cursor{b: b, what: "key of an outer-join store"}
	if len(b) < outerPrefix {
		return 0, 0, nil, tooShort(c.what, len(b), outerPrefix)
	}
	if side = Side(b[8]); side > Left {
		c.fail("side %d", side)
		return 0, 0, nil, c.err
	}
	return get64(b), side, b[outerPrefix:], nil
}

// AppendOuterValue appends a value of the outer-join store: its side, then the value. The store holds lists of them (see
// AppendListItem).
func AppendOuterValue(dst []byte, side Side, value []byte) []byte {
	return append(append(dst, byte(side)), value...)
}

// OuterValue takes a value of AppendOuterValue apart.
func OuterValue(b []byte) (side Side, value []byte, err error) {
	c := cursor{b: b, what: "value of an outer-join store"}
	if len(b) == 0 {
		return 0, nil, tooShort(c.what, 0, 1)
	}
	if side = Side(b[0]); side > Left {
		c.fail("side %d", side)
		return 0, nil, c.err
	}
	return side, b[1:], nil
}
