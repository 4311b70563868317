package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"leat.dev/internal/base/vfs"
)

const (
	// copyBelow is the size under which a file range is read and sent along with what is around it instead of going
	// by sendfile: one system call less, and no packet of its own.
	copyBelow = 24 << 10
	// gatherSize is the buffer that small parts are gathered in.
	gatherSize = 64 << 10
)

// sender writes the responses of one connection. Only the worker uses it.
type sender struct {
	conn     *Conn
	gather   []byte
	deadline time.Time
	kernel   kernelSender
}

// send writes the response of a call: the size, the header that startResponse began, the body, the parts.
func (s *sender) send(call *Call) error {
	total := len(call.Out)
	for i := range call.Parts {
		total += len(call.Parts[i].Bytes) + call.Parts[i].Len
	}
	if total-4 > 1<<31-1 {
		return fmt.Errorf("response of %d bytes", total)
	}
	binary.BigEndian.PutUint32(call.Out, uint32(total-4))
	s.extendDeadline()
	err := s.parts(call)
	if s.gather != nil {
		s.conn.server.buffers.put(s.gather)
		s.gather = nil
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.conn.server.stats.slow.Add(1)
			s.conn.server.opts.Logger.Warn("client does not read, dropped", "remote", s.conn.remote, "listener", s.conn.listener)
		}
		return err
	}
	s.conn.server.stats.bytesOut.Add(int64(total))
	return nil
}

func (s *sender) parts(call *Call) error {
	if len(call.Parts) == 0 {
		return s.write(call.Out)
	}
	if err := s.add(call.Out); err != nil {
		return err
	}
	for i := range call.Parts {
		p := &call.Parts[i]
		if len(p.Bytes) > 0 {
			if err := s.add(p.Bytes); err != nil {
				return err
			}
		}
		if p.Len == 0 {
			continue
		}
		if p.Len >= copyBelow && s.conn.tcp != nil {
			if fd, ok := p.File.Fd(); ok {
				done, err := s.sendFile(fd, p.Pos, p.Len)
				if err != nil {
					return err
				}
				if done {
					continue
				}
			}
		}
		if err := s.copyFile(p.File, p.Pos, p.Len); err != nil {
			return err
		}
	}
	return s.flush(false)
}

// add queues bytes behind what is gathered; large ones are written as they are.
func (s *sender) add(b []byte) error {
	if len(b) >= copyBelow {
		if err := s.flush(true); err != nil {
			return err
		}
		return s.write(b)
	}
	for len(b) > 0 {
		room := s.room()
		n := copy(room, b)
		s.gather = s.gather[:len(s.gather)+n]
		b = b[n:]
		if len(b) > 0 {
			if err := s.flush(true); err != nil {
				return err
			}
		}
	}
	return nil
}

// room returns the free part of the gather buffer, which is taken from the pool for as long as a response needs it.
func (s *sender) room() []byte {
	if s.gather == nil {
		s.gather = s.conn.server.buffers.get(gatherSize)[:0]
	}
	return s.gather[len(s.gather):cap(s.gather)]
}

// copyFile reads a file range through the gather buffer.
func (s *sender) copyFile(f vfs.File, pos int64, n int) error {
	for n > 0 {
		room := s.room()
		if len(room) > n {
			room = room[:n]
		}
		if len(room) == 0 {
			if err := s.flush(true); err != nil {
				return err
			}
			continue
		}
		k, err := f.ReadAt(room, pos)
		if k < len(room) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			// The size of the response is already promised: only closing the connection is left.
			return fmt.Errorf("reading %s at %d: %w", f.Name(), pos, err)
		}
		s.gather = s.gather[:len(s.gather)+k]
		pos += int64(k)
		n -= k
	}
	return nil
}

// flush writes what is gathered. more says that the response goes on, so that the system may wait with a packet that
// is not full.
func (s *sender) flush(more bool) error {
	if len(s.gather) == 0 {
		return nil
	}
	err := s.writeMore(s.gather, more)
	s.gather = s.gather[:0]
	return err
}

// write writes b in pieces, each of which has the write timeout to itself.
func (s *sender) write(b []byte) error {
	for {
		n := min(len(b), 1<<20)
		if _, err := s.conn.nc.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		if len(b) == 0 {
			return nil
		}
		s.extendDeadline()
	}
}

// extendDeadline gives the client the write timeout again. As with reading, not every response sets a new deadline.
func (s *sender) extendDeadline() {
	d := s.conn.server.opts.WriteTimeout
	now := time.Now()
	if s.deadline.Sub(now) > d/2 {
		return
	}
	s.deadline = now.Add(d)
	_ = s.conn.nc.SetWriteDeadline(s.deadline)
}
