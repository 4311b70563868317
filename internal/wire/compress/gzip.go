package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipWriters holds one pool per level, 1 to 9; index 0 is the default level.
var gzipWriters [10]sync.Pool

func appendGzip(dst, src []byte, level int) ([]byte, error) {
	if level == -1 {
		level = DefaultLevel
	}
	if level < 0 || level > 9 {
		return dst, fmt.Errorf("%w: gzip %d", ErrLevel, level)
	}
	buf := bytes.NewBuffer(dst)
	w, _ := gzipWriters[level].Get().(*gzip.Writer)
	if w == nil {
		native := level
		if level == DefaultLevel {
			native = gzip.DefaultCompression
		}
		var err error
		if w, err = gzip.NewWriterLevel(buf, native); err != nil {
			return dst, err
		}
	} else {
		w.Reset(buf)
	}
	_, err := w.Write(src)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return dst, err
	}
	w.Reset(io.Discard) // the pool must not hold on to the caller's buffer
	gzipWriters[level].Put(w)
	return buf.Bytes(), nil
}

type gzipDecoder struct {
	in bytes.Reader
	r  *gzip.Reader
}

func (g *gzipDecoder) decode(dst, src []byte, maxBytes int) ([]byte, error) {
	g.in.Reset(src)
	defer g.in.Reset(nil)
	var err error
	if g.r == nil {
		g.r, err = gzip.NewReader(&g.in)
	} else {
		err = g.r.Reset(&g.in)
	}
	if err != nil {
		return dst, corrupt(err)
	}
	dst = grow(dst, min(4*len(src), maxBytes)+1, maxBytes+1)
	for {
		if len(dst) > maxBytes {
			return dst, ErrTooLarge
		}
		if len(dst) == cap(dst) {
			dst = grow(dst, 1, maxBytes+1)
		}
		n, err := g.r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			if len(dst) > maxBytes {
				return dst, ErrTooLarge
			}
			return dst, nil
		}
		if err != nil {
			return dst, corrupt(err)
		}
	}
}

// corrupt makes a library's error match ErrCorrupt too.
func corrupt(err error) error { return fmt.Errorf("%w: %w", ErrCorrupt, err) }
