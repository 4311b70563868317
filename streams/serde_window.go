package streams

import (
	"fmt"
	"time"

	"leat.dev/streams/internal/codec"
)

// WindowedSerde is Kafka's TimeWindowedSerde: the key's bytes, then the window's start as a big-endian number of
// milliseconds. The end is not written, so what is read has it from the size given here, which is that of the window's
// definition (for sliding windows: their time difference).
func WindowedSerde[K any](ks Serde[K], size time.Duration) Serde[Windowed[K]] {
	return windowedSerde[K]{ks, size.Milliseconds()}
}

type windowedSerde[K any] struct {
	key    Serde[K]
	sizeMs int64
}

func (s windowedSerde[K]) check() error {
	if s.sizeMs <= 0 {
		return fmt.Errorf("the serde for windows of %s keys has the size %d ms, it must be positive", typeName[K](), s.sizeMs)
	}
	return serdeMistake(s.key)
}

func (s windowedSerde[K]) Append(dst []byte, topic string, h *Headers, v Windowed[K]) ([]byte, error) {
	longer, err := s.key.Append(dst, topic, h, v.Key)
	if err != nil {
		return dst, err
	}
	return codec.AppendTimeWindow(longer, nil, int64(v.Start)), nil
}

func (s windowedSerde[K]) Decode(b []byte, topic string, h Headers) (Windowed[K], error) {
	key, start, err := codec.TimeWindow(b)
	if err == nil && start < 0 {
		err = fmt.Errorf("its start %d is negative: %w", start, codec.ErrCorrupt)
	}
	if err != nil {
		return Windowed[K]{}, cannotRead("a windowed key", topic, "%w", err)
	}
	k, err := s.key.Decode(key, topic, h)
	return Windowed[K]{k, Time(start), Time(codec.WindowEnd(start, s.sizeMs))}, err
}

// innerKey is the part of a windowed key that decides on its partition.
func (windowedSerde[K]) innerKey(b []byte) []byte {
	key, _, err := codec.TimeWindow(b)
	if err != nil {
		return b
	}
	return key
}

// SessionSerde is Kafka's SessionWindowedSerde: the key's bytes, then the session's end, then its start, both inclusive
// and in big-endian milliseconds.
func SessionSerde[K any](ks Serde[K]) Serde[Windowed[K]] { return sessionSerde[K]{ks} }

type sessionSerde[K any] struct{ key Serde[K] }

func (s sessionSerde[K]) check() error { return serdeMistake(s.key) }

func (s sessionSerde[K]) Append(dst []byte, topic string, h *Headers, v Windowed[K]) ([]byte, error) {
	longer, err := s.key.Append(dst, topic, h, v.Key)
	if err != nil {
		return dst, err
	}
	return codec.AppendSession(longer, nil, int64(v.Start), int64(v.End)), nil
}

func (s sessionSerde[K]) Decode(b []byte, topic string, h Headers) (Windowed[K], error) {
	key, start, end, err := codec.Session(b)
	if err == nil && (start < 0 || end < start) {
		err = fmt.Errorf("it lasts from %d to %d: %w", start, end, codec.ErrCorrupt)
	}
	if err != nil {
		return Windowed[K]{}, cannotRead("a session's key", topic, "%w", err)
	}
	k, err := s.key.Decode(key, topic, h)
	return Windowed[K]{k, Time(start), Time(end)}, err
}

// innerKey is the part of a session's key that decides on its partition.
func (sessionSerde[K]) innerKey(b []byte) []byte {
	key, _, _, err := codec.Session(b)
	if err != nil {
		return b
	}
	return key
}
