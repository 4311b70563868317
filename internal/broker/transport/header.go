package transport

import (
	"encoding/binary"
	"fmt"
)

// parseHeader reads the request header after key, version and correlation id, and leaves the rest in call.Body.
func (c *Conn) parseHeader(call *Call, frame []byte) error {
	call.CorrelationID = int32(binary.BigEndian.Uint32(frame[4:]))
	id, rest, err := splitHeader(frame[8:], call.Flexible)
	if err != nil {
		return err
	}
	call.ClientIDNull = id == nil
	// A connection's client id hardly ever changes: keep one string.
	if string(id) != c.lastID {
		c.lastID = string(id)
	}
	call.ClientID = c.lastID
	call.Body = rest
	return nil
}

// splitHeader takes the client id and the tagged fields off a request. The id is nil if it is null.
func splitHeader(b []byte, flexible bool) (clientID, body []byte, err error) {
	if len(b) < 2 {
		return nil, nil, fmt.Errorf("%w: no client id", errBadFrame)
	}
	n := int(int16(binary.BigEndian.Uint16(b)))
	b = b[2:]
	if n >= 0 {
		if n > len(b) {
			return nil, nil, fmt.Errorf("%w: client id of %d bytes", errBadFrame, n)
		}
		clientID, b = b[:n:n], b[n:]
	}
	if !flexible {
		return clientID, b, nil
	}
	tags, k := binary.Uvarint(b)
	if k <= 0 || tags > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%w: header tags", errBadFrame)
	}
	b = b[k:]
	for range tags {
		_, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, nil, fmt.Errorf("%w: header tags", errBadFrame)
		}
		b = b[k:]
		size, k := binary.Uvarint(b)
		if k <= 0 || size > uint64(len(b)-k) {
			return nil, nil, fmt.Errorf("%w: header tags", errBadFrame)
		}
		b = b[k+int(size):]
	}
	return clientID, b, nil
}
