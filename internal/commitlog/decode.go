package commitlog

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/semaphore"

	"leat.dev/internal/base/scratch"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// What this file is about: batches that clients sent are decompressed where a leader has to look into them, and a
// megabyte can become gigabytes. Nobody knows beforehand how large it gets, so each is tried with what batches of its size
// usually need, out of room that all share; one that needs more is alone in what it needs, up to clientDecoded.

const (
	// clientDecoded bounds what a client's batch may yield: more than what a request may carry uncompressed.
	clientDecoded = 128 << 20
	// A batch usually yields at most usualDecoded or usualRatio times its size.
	usualDecoded = 1 << 20
	usualRatio   = 8
	// decodingRoom is what all batches being decoded at a time may yield, besides the one that is unusual.
	decodingRoom = 64 << 20
)

// The room is the process's, as its memory is.
var (
	usualRoom     = semaphore.NewWeighted(decodingRoom)
	unusualRoom   sync.Mutex
	unusualBuffer = scratch.New(clientDecoded + compress.Slack) // of who has unusualRoom
)

// decoder is what decoding a client's batch needs, kept for the next one.
type decoder struct {
	decompressor compress.Decompressor
	records      batch.Iterator
	builder      batch.Builder

	room    int64 // of usualRoom
	unusual bool  // has unusualRoom
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// newDecoder returns a decoder; close gives it back, with the room that it took.
func newDecoder() *decoder { return decoders.Get().(*decoder) }

// open begins with the records of a batch. It may be called more than once for the same batch.
func (d *decoder) open(b batch.Batch) {
	if b.Header().Codec() == compress.None {
		d.records.Reset(b, &d.decompressor, clientDecoded)
		return
	}
	if !d.unusual {
		if d.room == 0 {
			room := min(int64(max(usualDecoded, usualRatio*len(b))), decodingRoom)
			_ = usualRoom.Acquire(context.Background(), room) // decoding ends always, and soon
			d.room = room
		}
		d.records.Reset(b, &d.decompressor, int(d.room))
		if !errors.Is(d.records.Err(), compress.ErrTooLarge) {
			return
		}
		usualRoom.Release(d.room)
		unusualRoom.Lock()
		d.room, d.unusual = 0, true
		d.decompressor.Use(unusualBuffer.Bytes())
	}
	d.records.Reset(b, &d.decompressor, clientDecoded)
}

func (d *decoder) close() {
	if d.room > 0 {
		usualRoom.Release(d.room)
		d.room = 0
	}
	if d.unusual {
		*d = decoder{} // the builder may have become as large
		unusualBuffer.Rest()
		unusualRoom.Unlock()
	}
	decoders.Put(d)
}
