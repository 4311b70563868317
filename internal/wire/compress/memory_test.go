//go:build !race

// Pools forget at random under the race detector.

package compress

import (
	"bytes"
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
