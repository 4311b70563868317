//go:build !race

// The race detector allocates more.

package api

import (
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The worst a request of the right shape can do: as many of the smallest
// elements as fit.
func TestDecodedSizeIsBounded(t *testing.T) {
	const size = 1 << 16
	for name, c := range map[string]struct {
		key     kmsg.Key
		version int16
		head    string
		elem    string
	}{
		"metadata": {kmsg.Metadata, 9, "", "\x01\x00"},
		"fetch":    {kmsg.Fetch, 12, string(make([]byte, 4+4+4+4+1+4+4)), "\x01\x01\x00"},
		"groups":   {kmsg.DeleteGroups, 2, "", "\x01"},
		"offsets":  {kmsg.OffsetFetch, 6, "\x01", "\x01\x01\x00"},
		"leave":    {kmsg.LeaveGroup, 5, "\x01", "\x01\x01\x01\x00"},
		"configs":  {kmsg.IncrementalAlterConfigs, 1, "\x02\x00\x01", "\x01\x00\x01\x00"},
	} {
		n := size / len(c.elem)
		body := []byte(c.head)
		body = append(body, byte(n+1)|0x80, byte((n+1)>>7)|0x80, byte((n+1)>>14))
		for range n {
			body = append(body, c.elem...)
		}
		body = append(body, 1, 1) // empty, where null is not allowed
		body = append(body, make([]byte, 64)...)
		if err := Precheck(int16(c.key), c.version, body); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		req := kmsg.RequestForKey(int16(c.key))
		req.SetVersion(c.version)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = req.ReadFrom(body) // what follows the array need not be right
		runtime.ReadMemStats(&after)
		ratio := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(body))
		t.Logf("%s: %.1f times its size", name, ratio)
		if ratio > 32 {
			t.Errorf("%s: %.1f times its size", name, ratio)
		}
	}
}
