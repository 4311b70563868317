package api

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// However small the elements are, a request may only have so many.
func TestPrecheckElements(t *testing.T) {
	body := func(n int) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(n))
		return append(b, make([]byte, 2*n)...) // so many empty topic names
	}
	if err := Precheck(int16(kmsg.Metadata), 1, body(maxElements)); err != nil {
		t.Error(err)
	}
	if err := Precheck(int16(kmsg.Metadata), 1, body(maxElements+1)); err == nil {
		t.Error("one too many passes")
	}
}

// Null is malformed where the protocol has no null, and only there.
func TestPrecheckNull(t *testing.T) {
	for _, c := range []struct {
		key     kmsg.Key
		version int16
		body    string
		ok      bool
	}{
		{kmsg.Metadata, 0, "\xff\xff\xff\xff", false},
		{kmsg.Metadata, 1, "\xff\xff\xff\xff", true},
		{kmsg.DeleteGroups, 1, "\xff\xff\xff\xff", false},
		{kmsg.DeleteGroups, 2, "\x00\x00", false},
		{kmsg.DeleteGroups, 2, "\x01\x00", true},
		{kmsg.SASLAuthenticate, 1, "\xff\xff\xff\xff", false},
		{kmsg.SASLAuthenticate, 1, "\x00\x00\x00\x00", true},
		{kmsg.DescribeLogDirs, 2, "\x00\x00", true},
	} {
		if err := Precheck(int16(c.key), c.version, []byte(c.body)); (err == nil) != c.ok {
			t.Errorf("%s v%d %q: %v", c.key.Name(), c.version, c.body, err)
		}
	}
}
