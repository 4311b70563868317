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
