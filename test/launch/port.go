package launch

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"strconv"
	"sync"
)

// Ports that are chosen now and listened at by somebody else later lie below those that the system gives to who asks for
// any (32768 and more on Linux): no listener of another test and no connection gets them in between.
const (
	firstPort = 10_000
	portCount = 22_000
)

// ports is where this process looks next. Processes begin at random places, so that two of them do not choose the same.
var ports struct {
	mu   sync.Mutex
	next int // 0: nothing was chosen yet
}

// FreePort is a TCP port of 127.0.0.1 at which nobody listens; each call gives another one.
func FreePort() (int, error) {
	ports.mu.Lock()
	defer ports.mu.Unlock()
	if ports.next == 0 {
		var b [4]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		ports.next = 1 + int(binary.BigEndian.Uint32(b[:])%portCount)
	}
	for range portCount {
		port := firstPort + ports.next%portCount
		ports.next++
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no port of 127.0.0.1 is free")
}

// FreeAddr is 127.0.0.1 with a FreePort.
func FreeAddr() (string, error) {
	port, err := FreePort()
	return "127.0.0.1:" + strconv.Itoa(port), err
}
