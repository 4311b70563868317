package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The floor is what the machine asks of any program that does a broker's work and nothing else: receive bytes
// from a loopback connection, check their CRC32C, write and fsync them; and send them back by sendfile.
const (
	floorBytes = 1 << 30
	floorChunk = 1 << 20
	floorSync  = 8 << 20 // bytes between fsyncs
)

// floorRows runs the small program and notes what it cost.
func floorRows(ctx context.Context, b *bench) error {
	receive, err := b.floor(ctx, "receive", func(c *net.TCPConn) error {
		chunk := payloads(floorChunk)[0]
		for sent := 0; sent < floorBytes; sent += len(chunk) {
			if _, err := c.Write(chunk); err != nil {
				return err
			}
		}
		if err := c.CloseWrite(); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, c)
		return err
	})
	if err != nil {
		return err
	}
	send, err := b.floor(ctx, "send", func(c *net.TCPConn) error {
		n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{c}, make([]byte, floorChunk))
		if err == nil && n != floorBytes {
			err = fmt.Errorf("received %d bytes", n)
		}
		return err
	})
	if err != nil {
		return err
	}
	note := fmt.Sprintf("Floor of this machine, by a small program in chunks of 1 MiB: %.0f MB per CPU-second to receive on loopback, check CRC32C, write and fsync; %.0f MB per CPU-second to send by sendfile.",
		mb(floorBytes)/receive.Seconds(), mb(floorBytes)/send.Seconds())
	fmt.Println("   " + note)
	b.table.notes = append(b.table.notes, note)
	return nil
}

// floor starts this program again as the server of one connection and returns the CPU time it used.
func (b *bench) floor(ctx context.Context, what string, client func(*net.TCPConn) error) (time.Duration, error) {
	dir, err := os.MkdirTemp(b.dir, "leat-floor-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if what == "send" {
		if err := writeZeros(filepath.Join(dir, "data")); err != nil {
			return 0, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, "-floor", what, "-dir", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return 0, errors.Join(err, cmd.Wait())
	}
	conn, err := net.Dial("tcp", strings.TrimSpace(addr))
	if err != nil {
		return 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	defer conn.Close()
	if err := errors.Join(client(conn.(*net.TCPConn)), cmd.Wait()); err != nil {
		return 0, err
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// writeZeros prepares the file to send; the kernel keeps it in its cache, as it does a log's newest segment.
func writeZeros(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	chunk := make([]byte, floorChunk)
	for range floorBytes / floorChunk {
		if _, err := f.Write(chunk); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// serveFloor is the small program.
func serveFloor(what, dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "data"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if what == "send" {
		_, err := io.Copy(conn, f) // sendfile
		return err
	}
	chunk := make([]byte, floorChunk)
	table := crc32.MakeTable(crc32.Castagnoli)
	sum, unsynced := uint32(0), 0 // the sum keeps the check from being left out
	for {
		n, err := io.ReadFull(conn, chunk)
		if errors.Is(err, io.EOF) {
			_, err := fmt.Fprintf(conn, "%08x", sum)
			return errors.Join(err, f.Sync())
		}
		if err != nil {
			return err
		}
		sum ^= crc32.Checksum(chunk[:n], table)
		if _, err := f.Write(chunk[:n]); err != nil {
			return err
		}
		if unsynced += n; unsynced >= floorSync {
			if err := syscall.Fdatasync(int(f.Fd())); err != nil {
				return err
			}
			unsynced = 0
		}
	}
}
