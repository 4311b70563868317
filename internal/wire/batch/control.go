package batch

import "encoding/binary"

// ControlType is the kind of a control record.
type ControlType int16

const (
	ControlAbort          ControlType = 0
	ControlCommit         ControlType = 1
	ControlLeaderChange   ControlType = 2
	ControlSnapshotHeader ControlType = 3
	ControlSnapshotFooter ControlType = 4
	ControlKRaftVersion   ControlType = 5
	ControlKRaftVoters    ControlType = 6
)

// EndTxnMarker returns the control batch that ends a producer's transaction.
func EndTxnMarker(producerID int64, producerEpoch int16, coordinatorEpoch int32, commit bool, timestamp, baseOffset int64) Batch {
	kind := ControlAbort
	if commit {
		kind = ControlCommit
	}
	b := NewBuilder(BuilderOptions{
		BaseOffset:    baseOffset,
		Producer:      &Producer{ID: producerID, Epoch: producerEpoch, BaseSequence: noSequence},
		Transactional: true,
		Control:       true,
	})
	key := binary.BigEndian.AppendUint16(make([]byte, 2, 4), uint16(kind))
	value := binary.BigEndian.AppendUint32(make([]byte, 2, 6), uint32(coordinatorEpoch))
	b.Append(timestamp, key, value, nil)
	out, err := b.Finish()
	if err != nil {
		panic(err) // an uncompressed batch this small cannot fail
	}
	return out
}

// ParseControl returns the type of a control record. Types that are not named
// here are to be ignored; so are newer versions' longer keys.
func ParseControl(r Record) (ControlType, error) {
	if len(r.Key) < 4 {
		return 0, corruptf("control record key of %d bytes", len(r.Key))
	}
	if version := int16(binary.BigEndian.Uint16(r.Key)); version < 0 {
		return 0, corruptf("control record version %d", version)
	}
	return ControlType(binary.BigEndian.Uint16(r.Key[2:])), nil
}

// EndTxn is the content of a transaction marker.
type EndTxn struct {
	Commit           bool
	CoordinatorEpoch int32
}

// ParseEndTxn decodes a transaction marker; ok is false for other control
// records.
func ParseEndTxn(r Record) (e EndTxn, ok bool, err error) {
	kind, err := ParseControl(r)
	if err != nil || kind != ControlAbort && kind != ControlCommit {
		return EndTxn{}, false, err
	}
	if len(r.Value) < 6 {
		return EndTxn{}, false, corruptf("transaction marker of %d bytes", len(r.Value))
	}
	if version := int16(binary.BigEndian.Uint16(r.Value)); version < 0 {
		return EndTxn{}, false, corruptf("transaction marker version %d", version)
	}
	e = EndTxn{Commit: kind == ControlCommit, CoordinatorEpoch: int32(binary.BigEndian.Uint32(r.Value[2:]))}
	return e, true, nil
}
