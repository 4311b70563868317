package transport

import (
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelSender sends file ranges by sendfile(2), and bytes ahead of them with MSG_MORE. The functions handed to the
// runtime's poller are made once per connection, so that sending allocates nothing.
type kernelSender struct {
	raw    syscall.RawConn
	doFile func(fd uintptr) bool
	doMore func(fd uintptr) bool

	file    int
	pos     int64
	left    int
	bytes   []byte
	err     error
	refused bool // the file or the socket cannot do it
}

// sendfileChunk is what one call asks for; the write deadline is moved on between chunks.
const sendfileChunk = 1 << 20

func (s *sender) kernelReady() bool {
	k := &s.kernel
	if k.raw != nil {
		return true
	}
	raw, err := s.conn.tcp.SyscallConn()
	if err != nil {
		return false
	}
	k.raw = raw
	k.doFile = k.stepFile
	k.doMore = k.stepMore
	return true
}

// sendFile sends a range of a real file. done is false if nothing was sent because the system cannot do it.
func (s *sender) sendFile(fd uintptr, pos int64, n int) (done bool, err error) {
	if !s.kernelReady() || s.kernel.refused {
		return false, nil
	}
	if err := s.flush(true); err != nil {
		return false, err
	}
	k := &s.kernel
	k.file, k.pos = int(fd), pos
	for n > 0 {
		chunk := min(n, sendfileChunk)
		k.left, k.err = chunk, nil
		s.extendDeadline()
		if err := k.raw.Write(k.doFile); err != nil {
			return false, err
		}
		if k.refused && k.pos == pos {
			return false, nil
		}
		if k.err != nil {
			return false, k.err
		}
		n -= chunk
	}
	return true, nil
}

// stepFile sends as much of the chunk as the socket takes; false asks the poller to wait for room.
func (k *kernelSender) stepFile(fd uintptr) bool {
	for k.left > 0 {
		n, err := unix.Sendfile(int(fd), k.file, &k.pos, k.left)
		if n > 0 {
			k.left -= n
			continue
		}
		switch err {
		case nil:
			k.err = fmt.Errorf("sendfile: %w", io.ErrUnexpectedEOF)
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case unix.EINVAL, unix.ENOSYS:
			k.refused = true
			k.err = fmt.Errorf("sendfile: %w", err)
			return true
		default:
			k.err = fmt.Errorf("sendfile: %w", err)
			return true
		}
	}
	return true
}

// writeMore writes bytes that more will follow.
func (s *sender) writeMore(b []byte, more bool) error {
	if !more || s.conn.tcp == nil || !s.kernelReady() {
		return s.write(b)
	}
	k := &s.kernel
	k.bytes, k.err = b, nil
	err := k.raw.Write(k.doMore)
	k.bytes = nil
	if err != nil {
		return err
	}
	return k.err
}

func (k *kernelSender) stepMore(fd uintptr) bool {
	for len(k.bytes) > 0 {
		n, err := unix.SendmsgN(int(fd), k.bytes, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		if n > 0 {
			k.bytes = k.bytes[n:]
			continue
		}
		switch err {
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			k.err = fmt.Errorf("sendmsg: %w", err)
			return true
		}
	}
	return true
}
