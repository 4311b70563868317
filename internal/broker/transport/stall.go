package transport

import (
	"io"
	"time"
)

// What this file is about: clients that claim a frame and then do not send it. The frame's memory is reserved, and while
// nobody else needs it they may take their time; when somebody waits for memory, they have to keep to a rate.

const (
	// stallAge is how long a frame may arrive at any rate, stallRate the bytes a second after that.
	stallAge  = time.Second
	stallRate = 64 << 10
	// arrivalStep is after how many bytes a frame's progress is noted.
	arrivalStep = 64 << 10
	// firstBuffer is how much of a frame's memory is taken before any of it has come.
	firstBuffer = 4 << 20
	// freeFrame is the size up to which a frame needs no room in the budget: the connection itself takes more.
	freeFrame = 4 << 10
)

// readBody reads a frame, whose first bytes may have come already. Memory beyond firstBuffer is taken as the bytes come.
func (c *Conn) readBody(call *Call, size int) ([]byte, error) {
	var frame []byte
	if first := min(size, firstBuffer); call.route == Plain {
		frame = make([]byte, first)
	} else {
		frame = c.server.buffers.get(first)
		call.frame = frame
	}
	have := copy(frame, c.buf[c.r:c.w])
	c.r += have
	if have == size {
		return frame, nil
	}
	// Waiting for memory is not the client's fault: its time starts again.
	c.setReadDeadline(c.server.opts.FrameTimeout + time.Duration(size>>16)*time.Second)
	c.arriving.Store(0)
	c.arrivingSince.Store(time.Now().UnixNano())
	defer c.arrivingSince.Store(0)
	for have < size {
		if have == len(frame) {
			frame = append(make([]byte, 0, min(size, 2*have)), frame...)
			frame = frame[:cap(frame)]
			if call.frame != nil {
				c.server.buffers.put(call.frame)
				call.frame = frame
			}
		}
		n, err := io.ReadFull(c.nc, frame[have:min(len(frame), have+arrivalStep)])
		if err != nil {
			return nil, err
		}
		have += n
		c.arriving.Add(int64(n))
	}
	return frame, nil
}

// dropStalled closes connections whose frame arrives too slowly. Those who wait for memory call it.
func (s *Server) dropStalled() {
	now := time.Now()
	last := s.stallLook.Load()
	if now.UnixNano()-last < int64(checkInterval) || !s.stallLook.CompareAndSwap(last, now.UnixNano()) {
		return // somebody else has just looked
	}
	s.mu.Lock()
	var stalled []*Conn
	for c := range s.conns {
		since := c.arrivingSince.Load()
		if age := now.Sub(time.Unix(0, since)); since != 0 && age > stallAge && float64(c.arriving.Load()) < age.Seconds()*stallRate {
			stalled = append(stalled, c)
		}
	}
	s.mu.Unlock()
	for _, c := range stalled {
		s.stats.stalled.Add(1)
		c.shut()
	}
	if len(stalled) > 0 {
		s.opts.Logger.Warn("connections were closed that claimed memory and did not use it, while others waited for memory", "connections", len(stalled))
	}
}
