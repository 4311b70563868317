package streams

import "bytes"

// savedRecord is what caches keep of the record that was in hand at a put, until it is flushed. All that were put with one
// record share it.
type savedRecord struct {
	topic      string
	partition  int32
	offset     int64
	key, value []byte // in memory; nil: null
	memory     []byte
	refs       int          // who has it: puts that were not flushed, and the task while it may be needed again
	next       *savedRecord // that is free
}

// saveRecord gives a copy of the record in hand, which is the caller's until it gives it back.
func (t *task) saveRecord() *savedRecord {
	rc := &t.rc
	s := t.saved
	if s != nil && s.is(rc) {
		s.refs++
		return s
	}
	if s != nil {
		t.releaseRecord(s)
	}
	if s = t.savedFree; s != nil {
		t.savedFree, s.next = s.next, nil
	} else {
		s = &savedRecord{memory: make([]byte, 0, len(rc.key)+len(rc.value))}
	}
	s.topic, s.partition, s.offset = rc.topic, rc.partition, rc.offset
	s.memory = append(append(s.memory[:0], rc.key...), rc.value...)
	s.key, s.value = nil, nil
	n := len(rc.key)
	if rc.key != nil {
		s.key = s.memory[:n:n]
	}
	if rc.value != nil {
		s.value = s.memory[n:len(s.memory):len(s.memory)]
	}
	s.refs = 2
	t.saved = s
	return s
}

// is tells that rc has nothing else.
func (s *savedRecord) is(rc *recordContext) bool {
	return s.offset == rc.offset && s.partition == rc.partition && s.topic == rc.topic &&
		(s.key == nil) == (rc.key == nil) && (s.value == nil) == (rc.value == nil) &&
		bytes.Equal(s.key, rc.key) && bytes.Equal(s.value, rc.value)
}

// releaseRecord takes one back.
func (t *task) releaseRecord(s *savedRecord) {
	if s.refs--; s.refs == 0 {
		s.next, t.savedFree = t.savedFree, s
	}
}

// context is the record as the one in hand, with a time and headers.
func (s *savedRecord) context(at Time, h Headers) recordContext {
	return recordContext{s.topic, s.partition, s.offset, at, h, s.key, s.value}
}
