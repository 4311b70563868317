// Package record holds the records of the metadata log: Kafka's own types in
// Kafka's own encoding, so that Kafka's tools can print what Leat wrote.
//
// A record is the value of one log record: frame version (always 1), record
// type, record version, all unsigned varints, then the body in the flexible
// encoding of Kafka's message format. docs/formats/metadata-log.md describes
// the log they live in.
//
// The package has no state and starts no goroutine. Decoded records share no
// memory with the bytes they came from.
package record

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// frameVersion is the only framing Kafka ever had.
const frameVersion = 1

// UUID is a 128-bit id; Kafka prints it as unpadded URL-safe base64.
type UUID [16]byte

func (u UUID) String() string { return base64.RawURLEncoding.EncodeToString(u[:]) }

// Record is one metadata record. The implementations are the pointer types of
// this package.
type Record interface {
	// Type is Kafka's number of the record's type.
	Type() int16
	// Version is the lowest version that holds what the record says and that
	// Kafka itself writes at the metadata version Leat finalises.
	Version() int16

	maxVersion() int16
	fields(*codec)
}

// Append encodes r at the end of b.
func Append(b []byte, r Record) []byte {
	v := r.Version()
	b = binary.AppendUvarint(b, frameVersion)
	b = binary.AppendUvarint(b, uint64(r.Type()))
	b = binary.AppendUvarint(b, uint64(v))
	c := codec{b: b, version: v, enc: true}
	r.fields(&c)
	return c.b
}

// Decode reads one record, which must take up all of b.
func Decode(b []byte) (Record, error) {
	c := codec{b: b}
	frame, typ, version := c.uvarint(0), c.uvarint(0), c.uvarint(0)
	if c.err != nil {
		return nil, c.err
	}
	if frame != frameVersion {
		return nil, fmt.Errorf("%w: frame version %d", ErrUnknown, frame)
	}
	r := newOf(typ)
	if r == nil {
		return nil, fmt.Errorf("%w: type %d", ErrUnknown, typ)
	}
	if version > uint64(r.maxVersion()) {
		return nil, fmt.Errorf("%w: %T version %d", ErrUnknown, r, version)
	}
	c.version = int16(version)
	r.fields(&c)
	if c.err == nil && len(c.b) != 0 {
		c.fail("garbage after the record")
	}
	if c.err != nil {
		return nil, fmt.Errorf("%T version %d: %w", r, version, c.err)
	}
	return r, nil
}

// newOf returns an empty record of the type with its non-zero defaults, or nil.
func newOf(typ uint64) Record {
	switch typ {
	case 0:
		return &RegisterBroker{Fenced: true}
	case 1:
		return &UnregisterBroker{}
	case 2:
		return &Topic{}
	case 3:
		return &Partition{}
	case 4:
		return &Config{}
	case 5:
		return NewPartitionChange(0, UUID{})
	case 7:
		return &FenceBroker{}
	case 8:
		return &UnfenceBroker{}
	case 9:
		return &RemoveTopic{}
	case 10:
		return &DelegationToken{}
	case 11:
		return &UserScramCredential{}
	case 12:
		return &FeatureLevel{}
	case 14:
		return &ClientQuota{}
	case 15:
		return &ProducerIDs{}
	case 17:
		return &BrokerRegistrationChange{}
	case 18:
		return &AccessControlEntry{}
	case 19:
		return &RemoveAccessControlEntry{}
	case 20:
		return &NoOp{}
	case 21:
		return &ZkMigrationState{}
	case 22:
		return &RemoveUserScramCredential{}
	case 23:
		return &BeginTransaction{}
	case 24:
		return &EndTransaction{}
	case 25:
		return &AbortTransaction{}
	case 26:
		return &RemoveDelegationToken{}
	case 27:
		return &RegisterController{}
	case 28:
		return &ClearElr{}
	}
	return nil
}
