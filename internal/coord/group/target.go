package group

import "time"

// target is who shall have what, in groups whose coordinator assigns: what the records
// about it say.
type target[V any] struct {
	assignmentEpoch int32        // the group's epoch it was worked out for
	assignedAt      int64        // ms since 1970; 0 = unknown
	shall           map[string]V // by member id
}

// newTarget is that of a new group: its epoch starts at 1.
func newTarget[V any]() target[V] { return target[V]{assignmentEpoch: 1, shall: map[string]V{}} }

// due spaces assignments out: many members coming or going one after the other cause one
// rebalance instead of many.
func (t *target[V]) due(now time.Time, interval time.Duration) bool {
	return t.assignedAt == 0 || interval.Milliseconds() == 0 || now.UnixMilli()-t.assignedAt >= interval.Milliseconds()
}

// applyTargetMetadata changes the epoch as a record says; without it stands for a deleted
// record.
func (t *target[V]) applyTargetMetadata(value []byte, without int32) error {
	if value == nil {
		t.assignmentEpoch, t.assignedAt = without, 0
		return nil
	}
	v, err := DecodeTargetMetadata(value)
	if err == nil {
		t.assignmentEpoch, t.assignedAt = v.Epoch, v.Timestamp
	}
	return err
}

// applyTarget changes what a member shall have as a record says.
func (t *target[V]) applyTarget(memberID string, value []byte, decode func([]byte) (V, error)) error {
	if value == nil {
		delete(t.shall, memberID)
		return nil
	}
	v, err := decode(value)
	if err == nil {
		t.shall[memberID] = v
	}
	return err
}
