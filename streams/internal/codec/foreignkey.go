package codec

import "encoding/binary"

// Instruction is what a subscription of a foreign-key join asks of the right side.
type Instruction byte

// The instructions, as Kafka Streams from 4.1 on uses them.
const (
	DeleteNoPropagate  Instruction = 0 // forget the subscription, answer nothing
	DeleteAndPropagate Instruction = 1 // forget it and answer with null
	PropagateNull      Instruction = 2 // subscribe; answer with null if there is no such row
	PropagateIfFound   Instruction = 3 // subscribe; answer only if there is such a row
)

// Versions of a subscription.
const (
	subscription0 = 0 // without primary partition
	subscription1 = 1
	responseV0    = 0 // of a response, the only one
)

// nullHash is set in the version if there is no hash. The rest of the byte is the version.
const nullHash = 0x80

// hashBytes is the size of a hash.
const hashBytes = 16

// Subscription is the value of a foreign-key join's registration topic and of its subscription store.
type Subscription struct {
	Version     byte // 0 or 1
	Instruction Instruction
	Hashed      bool // false: Hash is null, the left row was deleted
	Hash        Hash // of the left value's bytes
	PrimaryKey  []byte
	Partition   int32 // of the left row, where the answer is sent to; from version 1 on
}

// AppendSubscription appends a subscription: version, instruction, hash, primary key, and from version 1 on the primary
// partition behind it (KIP-775). Without a hash its 16 bytes are missing and the version's highest bit is set.
func AppendSubscription(dst []byte, s *Subscription) []byte {
	if s.Hashed {
		dst = s.Hash.append(append(dst, s.Version, byte(s.Instruction)))
	} else {
		dst = append(dst, s.Version|nullHash, byte(s.Instruction))
	}
	dst = append(dst, s.PrimaryKey...)
	if s.Version >= subscription1 {
		dst = put32(dst, s.Partition)
	}
	return dst
}

// ParseSubscription takes a subscription apart.
func ParseSubscription(b []byte) (s Subscription, err error) {
	c := cursor{b: b, what: "subscription of a foreign-key join"}
	v := c.int8("version")
	s.Instruction = Instruction(c.int8("instruction"))
	s.Version, s.Hashed = v&^nullHash, v&nullHash == 0
	if s.Hashed {
		s.Hash = c.hash()
	}
	if s.Version > subscription1 {
		c.fail("version %d", s.Version)
	}
	if s.Instruction > PropagateIfFound {
		c.fail("instruction %d", s.Instruction)
	}
	n := len(c.b)
	if s.Version >= subscription1 {
		n -= 4
	}
	s.PrimaryKey = c.take(n, "primary key")
	if s.Version >= subscription1 {
		s.Partition = c.int32("primary partition")
	}
	if c.err != nil {
		return Subscription{}, c.err
	}
	return s, nil
}

// Response is the value of a foreign-key join's response topic.
type Response struct {
	Hashed bool
	Hash   Hash   // of the left value that was asked for
	Value  []byte // of the right row; nil: there is none
}

// AppendResponse appends a response: a version (always 0, with the highest bit set if there is no hash), hash, the right
// value's bytes. A null value is one without bytes; an empty one is read as null, as in Kafka.
func AppendResponse(dst []byte, r *Response) []byte {
	if r.Hashed {
		dst = r.Hash.append(append(dst, responseV0))
	} else {
		dst = append(dst, responseV0|nullHash)
	}
	return append(dst, r.Value...)
}

// ParseResponse takes a response apart.
func ParseResponse(b []byte) (r Response, err error) {
	c := cursor{b: b, what: "response of a foreign-key join"}
	v := c.int8("version")
	if r.Hashed = v&nullHash == 0; r.Hashed {
		r.Hash = c.hash()
	}
	if v&^nullHash != responseV0 {
		c.fail("version %d", v&^nullHash)
	}
	if c.err != nil {
		return Response{}, c.err
	}
	if len(c.b) > 0 {
		r.Value = c.b
	}
	return r, nil
}

// AppendForeignKey appends the key of the subscription store: the length of the foreign key, the foreign key, the primary
// key. Without the primary key it is the prefix of all subscriptions to one right row.
func AppendForeignKey(dst, foreign, primary []byte) []byte {
	return append(append(put32(dst, size(len(foreign))), foreign...), primary...)
}

// ForeignKey takes the key of AppendForeignKey apart.
func ForeignKey(b []byte) (foreign, primary []byte, err error) {
	c := cursor{b: b, what: "key of a subscription store"}
	foreign = c.take(int(c.int32("length of the foreign key")), "foreign key")
	return foreign, c.rest(), c.err
}

func (h Hash) append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, h.High), h.Low)
}

func (c *cursor) hash() (h Hash) {
	if b := c.take(hashBytes, "hash"); b != nil {
		h.High, h.Low = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	}
	return h
}
