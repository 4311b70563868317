//go:build !race

// Pools forget at random under the race detector.

package compress

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
)

func TestSteadyStateAllocations(t *testing.T) {
	src := bytes.Repeat([]byte("some text to compress, "), 1000)
	for _, codec := range compressed {
		enc, _ := Compress(nil, src, codec, DefaultLevel)
		var d Decompressor
		dst := make([]byte, 0, 2*len(src))
		run := func() {
			if _, err := d.Decompress(codec, enc, unlimited); err != nil {
				t.Fatal(err)
			}
			if _, err := Compress(dst, src, codec, DefaultLevel); err != nil {
				t.Fatal(err)
			}
		}
		run()
		if n := testing.AllocsPerRun(50, run); n > 4 {
			t.Errorf("%v: %.1f allocations a round trip", codec, n)
		}
	}
}

// TestRefusedAllocations: what is refused because it becomes too large costs no new buffer each time.
func TestRefusedAllocations(t *testing.T) {
	const most = 4 << 20
	src := make([]byte, 4*most)
	for _, codec := range compressed {
		enc, err := Compress(nil, src, codec, DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		var d Decompressor
		refuse := func() {
			if _, err := d.Decompress(codec, enc, most); !errors.Is(err, ErrTooLarge) {
				t.Fatal(err)
			}
		}
		refuse()
		var before, after runtime.MemStats
		const times = 20
		runtime.ReadMemStats(&before)
		for range times {
			refuse()
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / times; n > most/4 {
			t.Errorf("%v: %d bytes are allocated for each", codec, n)
		}
	}
}
