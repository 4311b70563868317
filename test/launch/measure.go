package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Usage is what the kernel says of a process.
type Usage struct {
	CPU  time.Duration // user and system time since its start
	RSS  int64         // resident bytes now
	Peak int64         // most resident bytes so far
	Anon int64         // resident bytes that are not pages of files
}

// clockTick is the unit of times in /proc, 10 ms on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// Usage reads the child's figures from /proc.
func (b *Broker) Usage() (Usage, error) { return ProcessUsage(b.PID()) }

// ProcessUsage reads the figures of any process.
func ProcessUsage(pid int) (Usage, error) {
	var u Usage
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return u, err
	}
	// The command's name is in parentheses and may hold anything; utime and stime are 12th and 13th after it.
	_, rest, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return u, fmt.Errorf("unexpected %s/stat: %q", dir, stat)
	}
	for _, f := range fields[11:13] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, err
		}
		u.CPU += time.Duration(ticks) * clockTick
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return u, err
	}
	u.RSS, u.Peak, u.Anon = kilobytes(status, "VmRSS:"), kilobytes(status, "VmHWM:"), kilobytes(status, "RssAnon:")
	return u, nil
}

func kilobytes(status []byte, name string) int64 {
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err == nil {
				return n << 10
			}
		}
	}
	return 0
}

// ResetPeak starts a new measurement of Usage.Peak.
func (b *Broker) ResetPeak() error {
	return os.WriteFile("/proc/"+strconv.Itoa(b.PID())+"/clear_refs", []byte("5"), 0)
}

// ping asks for Metadata as a client would, without one: what is measured is the broker.
func ping(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 4 // oldest with a flexible enough answer, known to every broker
	req.Topics = []kmsg.MetadataRequestTopic{}
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("launch")).AppendRequest(nil, req, 1)); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > 1<<20 {
		return fmt.Errorf("answer of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(conn, body); err != nil {
		return err
	}
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = req.Version
	if err := resp.ReadFrom(body[4:]); err != nil {
		return err
	}
	if len(resp.Brokers) == 0 {
		return errors.New("no broker in the metadata yet")
	}
	return nil
}
