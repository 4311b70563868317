package transport

import (
	"encoding/binary"
	"time"

	"leat.dev/internal/wire/fetch"
)

// Route says how a request is run.
type Route int8

const (
	// Unknown keys and versions close the connection without an answer.
	Unknown Route = iota
	// Plain requests run one at a time on the connection's worker; their body stays valid after the call.
	Plain
	// Pooled requests run as Plain ones do, but their body is only valid until the call ends.
	Pooled
	// Pipelined requests are begun on the reader while earlier ones are open; their body is pooled as well.
	Pipelined
)

// Part is a piece of a response: bytes, and after them a range of a file.
type Part = fetch.Part

// Call is one request and its response. It belongs to the connection and is used again after the response is written:
// a Handler keeps nothing of it.
type Call struct {
	Conn          *Conn
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      string
	ClientIDNull  bool
	Flexible      bool
	// Body is the request after its header.
	Body     []byte
	Received time.Time
	// State is the handler's own, kept between Begin and Serve and across the calls that use this Call.
	State any

	// Out is the response after its header; Parts follow it on the wire. Release runs once the response is written or
	// given up. NoResponse means that none is sent.
	Out        []byte
	Parts      []Part
	Release    func()
	NoResponse bool
	// Last closes the connection once the response is written.
	Last bool

	route    Route
	frame    []byte // pooled buffer that Body points into
	reserved int64
	budget   *Budget // that reserved is of
	begun    bool
	failed   error
	head     int // bytes of Out reserved for the size and the response header
}

// ReleaseBody gives the request's memory back before the call ends. Body is gone after it.
func (c *Call) ReleaseBody() {
	s := c.Conn.server
	if c.frame != nil {
		s.buffers.put(c.frame)
		c.frame = nil
	}
	c.Body = nil
	if c.budget != nil {
		c.budget.Release(c.Conn.remote.Addr(), c.reserved)
	}
	c.reserved = 0
}

// startResponse reserves room for the size prefix and the response header in Out. ApiVersions answers with header v0
// even when its body is flexible, because the client cannot know the version that will be answered.
func (c *Call) startResponse() {
	if c.Key == RawToken {
		c.Out = append(c.Out[:0], 0, 0, 0, 0)
		c.head = len(c.Out)
		return
	}
	c.Out = append(c.Out[:0], 0, 0, 0, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint32(c.Out[4:], uint32(c.CorrelationID))
	if c.Flexible && c.Key != apiVersionsKey {
		c.Out = append(c.Out, 0)
	}
	c.head = len(c.Out)
}

// reset readies the call for its next use, keeping buffers of modest size.
func (c *Call) reset() {
	c.ReleaseBody()
	clear(c.Parts)
	c.Parts = c.Parts[:0]
	if cap(c.Out) > maxKeptOut {
		c.Out = nil
	}
	c.Release = nil
	c.NoResponse, c.Last = false, false
	c.begun = false
	c.failed = nil
}

// RawToken is the key of calls that are bare tokens: what follows a SaslHandshake of version 0.
const RawToken int16 = -1

const (
	apiVersionsKey = 18
	maxKeptOut     = 4 << 10
)
