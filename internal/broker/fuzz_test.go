package broker

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/metadata/config"
)

// FuzzRequests sends arbitrary bytes as the body of a request of any API and version: the broker must neither fall over
// nor hang nor take memory out of proportion, and it must go on serving.
func FuzzRequests(f *testing.F) {
	static, _, err := config.Parse(map[string]string{"node.id": "1", "group.min.session.timeout.ms": "1", "log.cleaner.enable": "false",
		"offsets.topic.num.partitions": "1", "max.connections.per.ip": "2147483647"})
	if err != nil {
		f.Fatal(err)
	}
	memory := transport.NewMemory("fuzz")
	b, err := Open(f.Context(), Options{
		FS: vfs.NewMem(1), Clock: clock.System, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler), Path: "/log", Config: static,
		Listeners: []Listener{{Name: "PLAINTEXT", Listener: memory, AdvertisedHost: "localhost", AdvertisedPort: 9092}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = b.Close(f.Context()) })
	for i := range apis {
		for version := apis[i].min; version <= apis[i].max; version++ {
			req := kmsg.RequestForKey(int16(apis[i].key))
			req.SetVersion(version)
			if fetch, ok := req.(*kmsg.FetchRequest); ok {
				*fetch = *sampleFetch(max(version, 4))
				fetch.MaxWaitMillis = 1
			}
			f.Add(int16(apis[i].key), version, req.AppendTo(nil))
		}
	}
	f.Add(int16(0), int16(9), produceBody(9))
	f.Add(int16(0), int16(3), produceBody(3))
	f.Add(int16(0), int16(13), produceBody(13))
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		if key == int16(kmsg.JoinGroup) || key == int16(kmsg.SyncGroup) {
			return // may rightly be parked for long; the coordinator has its own fuzzing
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		nc, err := memory.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		frame := binary.BigEndian.AppendUint32(nil, 0)
		frame = binary.BigEndian.AppendUint16(frame, uint16(key))
		frame = binary.BigEndian.AppendUint16(frame, uint16(version))
		frame = append(frame, 0, 0, 0, 1, 0xff, 0xff) // correlation id, no client id
		if route := b.routes[max(min(key, maxKey), 0)]; route != nil && version >= route.flexible {
			frame = append(frame, 0)
		}
		frame = append(frame, body...)
		binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
		if _, err := nc.Write(frame); err != nil {
			t.Fatal(err)
		}
		// An end of the stream after the request: whatever the answer is, the connection ends then.
		half := make(chan struct{})
		go func() {
			defer close(half)
			var size [4]byte
			if _, err := io.ReadFull(nc, size[:]); err == nil {
				_, _ = io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(size[:])))
			}
		}()
		if key == int16(kmsg.Produce) && version >= minProduce {
			nc.(interface{ CloseWrite() error }).CloseWrite()
		}
		select {
		case <-half:
		case <-time.After(15 * time.Second):
			if key != int16(kmsg.Fetch) { // which may have asked to wait that long
				t.Fatal("no answer and no end")
			}
		}
		runtime.ReadMemStats(&after)
		if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 64<<20 {
			t.Fatalf("%d bytes allocated for a request of %d", grown, len(body))
		}
	})
}

func produceBody(version int16) []byte {
	req := produceRequest("t", 0, -1, records("x"))
	req.SetVersion(version)
	return req.AppendTo(nil)
}
