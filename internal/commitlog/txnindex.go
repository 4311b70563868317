package commitlog

import (
	"encoding/binary"
	"fmt"
)

// abortedSize is the size of an entry of a .txnindex file.
const abortedSize = 34

// abortedTxn is an entry of a .txnindex: an aborted transaction, found by its
// marker.
type abortedTxn struct {
	producerID int64
	first      int64 // offset of the transaction's first record
	last       int64 // offset of the marker
	lastStable int64 // the last stable offset once the marker was written
}

func (a abortedTxn) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(a.producerID))
	b = binary.BigEndian.AppendUint64(b, uint64(a.first))
	b = binary.BigEndian.AppendUint64(b, uint64(a.last))
	return binary.BigEndian.AppendUint64(b, uint64(a.lastStable))
}

// decodeAborted reads a .txnindex file. A cut-off last entry is an error that
// comes with the entries before it.
func decodeAborted(data []byte) ([]abortedTxn, error) {
	out := make([]abortedTxn, 0, len(data)/abortedSize)
	for ; len(data) >= abortedSize; data = data[abortedSize:] {
		if v := binary.BigEndian.Uint16(data); v != 0 {
			return out, fmt.Errorf("transaction index entry %d has version %d", len(out), v)
		}
		a := abortedTxn{
			producerID: int64(binary.BigEndian.Uint64(data[2:])),
			first:      int64(binary.BigEndian.Uint64(data[10:])),
			last:       int64(binary.BigEndian.Uint64(data[18:])),
			lastStable: int64(binary.BigEndian.Uint64(data[26:])),
		}
		if a.first >= a.last || a.first < 0 || len(out) > 0 && a.last <= out[len(out)-1].last {
			return out, fmt.Errorf("transaction index entry %d from %d to %d", len(out), a.first, a.last)
		}
		out = append(out, a)
	}
	if len(data) != 0 {
		return out, fmt.Errorf("transaction index ends with %d bytes", len(data))
	}
	return out, nil
}
