package chaos

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// attackerIP is where attackers come from: another address than honest clients.
var attackerIP = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}

func (g *target) dial(listener string) (net.Conn, error) {
	addr := g.broker.Addr()
	if listener != "" {
		addr = g.broker.AddrOf(listener)
	}
	return (&net.Dialer{LocalAddr: attackerIP, Timeout: 5 * time.Second}).Dial("tcp", addr)
}

// crowd runs n attackers until ctx ends; each runs again when it returns. It returns how often they ran.
func crowd(ctx context.Context, n int, one func(ctx context.Context)) int64 {
	var wg sync.WaitGroup
	var count atomic.Int64
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				one(ctx)
				count.Add(1)
			}
		})
	}
	wg.Wait()
	return count.Load()
}

// slowly writes a byte now and then, until the broker has enough of it.
func slowly(ctx context.Context, nc net.Conn, data []byte, every time.Duration) {
	for _, b := range data {
		if !pause(ctx, every) {
			return
		}
		if _, err := nc.Write([]byte{b}); err != nil {
			return
		}
	}
	<-ctx.Done()
}

// slowHandshakes: 2,000 strangers begin a TLS handshake and go on very slowly.
func slowHandshakes(ctx context.Context, g *target) string {
	hello := append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}, make([]byte, 600)...)
	var open atomic.Int64
	n := crowd(ctx, 2000, func(ctx context.Context) {
		nc, err := g.dial("SASL_SSL")
		if err != nil {
			pause(ctx, time.Second)
			return
		}
		defer nc.Close()
		open.Add(1)
		slowly(ctx, nc, hello, 200*time.Millisecond)
	})
	return fmt.Sprintf("%d connections of 2,000 at a time, %d ended by the broker", open.Load(), n-2000)
}

// halfExchanges: 2,000 strangers choose a mechanism and never finish with it.
func halfExchanges(ctx context.Context, g *target) string {
	n := crowd(ctx, 2000, func(ctx context.Context) {
		nc, err := g.dial("SASL_PLAINTEXT")
		if err != nil {
			pause(ctx, time.Second)
			return
		}
		defer nc.Close()
		if _, err := startSASL(nc, "SCRAM-SHA-256", "n,,n=alice,r=abcdefgh"); err != nil {
			return
		}
		// A frame of half a megabyte that never comes.
		_, _ = nc.Write([]byte{0, 7, 255, 255, 0, 36, 0, 1, 0, 0, 0, 1})
		slowly(ctx, nc, make([]byte, 1<<10), 500*time.Millisecond)
	})
	return fmt.Sprintf("%d exchanges begun, none finished", n)
}

// stalledFrames: clients that need not log in claim large requests and do not send them.
func stalledFrames(ctx context.Context, g *target) string {
	sizes := []uint32{64 << 20, 100 << 20, 1 << 20, 1 << 20, 128 << 10, 60 << 10}
	var next atomic.Int64
	n := crowd(ctx, 300, func(ctx context.Context) {
		nc, err := g.dial("")
		if err != nil {
			pause(ctx, time.Second)
			return
		}
		defer nc.Close()
		frame := binary.BigEndian.AppendUint32(nil, sizes[next.Add(1)%int64(len(sizes))])
		frame = append(frame, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 'x', 0) // Produce version 9
		if _, err := nc.Write(frame); err != nil {
			return
		}
		gone := make(chan struct{})
		go func() { _, _ = nc.Read(make([]byte, 1)); close(gone) }()
		for {
			select {
			case <-gone:
				return
			case <-ctx.Done():
				nc.Close()
				<-gone
				return
			case <-time.After(time.Second):
				_, _ = nc.Write([]byte{0})
			}
		}
	})
	return fmt.Sprintf("300 at a time claim 60 KiB to 100 MiB and send a byte a second; %d ended by the broker", n-300)
}

// handshakeFlood: strangers do TLS handshakes as fast as they can and leave.
func handshakeFlood(ctx context.Context, g *target) string {
	config := g.ca.clientConfig()
	var done atomic.Int64
	crowd(ctx, 64, func(ctx context.Context) {
		nc, err := g.dial("SASL_SSL")
		if err != nil {
			pause(ctx, 100*time.Millisecond)
			return
		}
		defer nc.Close()
		if tls.Client(nc, config).HandshakeContext(ctx) == nil {
			done.Add(1)
		}
	})
	return fmt.Sprintf("%d handshakes", done.Load())
}

// connectionFlood: one address opens connections that say nothing, as many as it can hold.
func connectionFlood(ctx context.Context, g *target) string {
	const most = 6000
	var mu sync.Mutex
	var open []net.Conn
	defer func() {
		for _, nc := range open {
			nc.Close()
		}
	}()
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				nc, err := g.dial("")
				if err != nil {
					failed.Add(1)
					pause(ctx, 50*time.Millisecond)
					continue
				}
				mu.Lock()
				open = append(open, nc)
				full := len(open) >= most
				mu.Unlock()
				if full {
					<-ctx.Done()
				}
			}
		})
	}
	wg.Wait()
	return fmt.Sprintf("%d open connections of one address, %d refused", len(open), failed.Load())
}

// hostileFrames: requests whose counts claim what is not there, whose arrays nest, whose sizes make no sense.
func hostileFrames(ctx context.Context, g *target) string {
	var round atomic.Int64
	n := crowd(ctx, 16, func(context.Context) {
		nc, err := g.dial("")
		if err != nil {
			return
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(500 * time.Millisecond))
		i := round.Add(1)
		_, _ = nc.Write(hostileFrame(i))
		_, _ = io.Copy(io.Discard, io.LimitReader(nc, 1<<20))
	})
	return fmt.Sprintf("%d connections, each with one such request", n)
}

// hostileFrame is the i-th of a row of bad requests, over all keys.
func hostileFrame(i int64) []byte {
	key := int16(i % 93)
	req := kmsg.RequestForKey(key)
	version := int16(0)
	if req != nil {
		version = int16((i / 93) % int64(req.MaxVersion()+1))
		req.SetVersion(version)
	}
	frame := []byte{0, 0, 0, 0}
	frame = binary.BigEndian.AppendUint16(frame, uint16(key))
	frame = binary.BigEndian.AppendUint16(frame, uint16(version))
	frame = append(frame, 0, 0, 0, 1, 0, 1, 'x')
	if req != nil && req.IsFlexible() {
		frame = append(frame, 0)
	}
	switch (i / 7) % 5 {
	case 0: // counts of two thousand million
		for range 64 {
			frame = append(frame, 0x7f, 0xff, 0xff, 0xff)
		}
	case 1: // varints that never end
		for range 512 {
			frame = append(frame, 0xff)
		}
	case 2: // many small arrays of many small arrays
		for range 1 << 18 {
			frame = append(frame, 0, 0, 0, 4)
		}
	case 3: // compact arrays that claim a little more than there is, again and again
		for range 1 << 20 {
			frame = append(frame, 0x7f)
		}
	case 4: // as many tags as fit
		frame = append(frame, 0xff, 0xff, 0x3f)
		for range 1 << 18 {
			frame = append(frame, 1, 0)
		}
	}
	size := uint32(len(frame) - 4)
	if i%11 == 0 {
		size = 1<<31 - 1
	}
	binary.BigEndian.PutUint32(frame, size)
	return frame
}

// exchange sends a request and returns the response's body, without its header.
func exchange(nc net.Conn, req kmsg.Request, version int16) (kmsg.Response, error) {
	req.SetVersion(version)
	if _, err := nc.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("x")).AppendRequest(nil, req, 1)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(nc, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, min(binary.BigEndian.Uint32(size[:]), 1<<20))
	if _, err := io.ReadFull(nc, body); err != nil {
		return nil, err
	}
	body = body[4:]
	if req.IsFlexible() {
		body = body[1:]
	}
	resp := req.ResponseKind()
	resp.SetVersion(version)
	return resp, resp.ReadFrom(body)
}

// startSASL begins a login and returns the broker's first challenge.
func startSASL(nc net.Conn, mechanism, token string) ([]byte, error) {
	_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	hand := kmsg.NewPtrSASLHandshakeRequest()
	hand.Mechanism = mechanism
	if _, err := exchange(nc, hand, 1); err != nil {
		return nil, err
	}
	return stepSASL(nc, token)
}

func stepSASL(nc net.Conn, token string) ([]byte, error) {
	auth := kmsg.NewPtrSASLAuthenticateRequest()
	auth.SASLAuthBytes = []byte(token)
	resp, err := exchange(nc, auth, 1)
	if err != nil {
		return nil, err
	}
	r := resp.(*kmsg.SASLAuthenticateResponse)
	if r.ErrorCode != 0 {
		return nil, fmt.Errorf("refused: %d", r.ErrorCode)
	}
	return r.SASLAuthBytes, nil
}
