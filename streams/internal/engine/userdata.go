package engine

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// User data of members and assignments is JSON, deflated behind the byte 0x01 where it is long: the broker keeps the
// assignments of all members in one record.

const (
	deflatedData = 1
	// deflateFrom is the length from which JSON is deflated.
	deflateFrom = 2 << 10
	// userDataMax bounds what user data unfolds to.
	userDataMax = 16 << 20
)

func encodeUserData(v any) []byte {
	data, _ := json.Marshal(v) // lists of tasks, strings, numbers and booleans: it cannot fail
	if len(data) < deflateFrom {
		return data
	}
	var b bytes.Buffer
	b.WriteByte(deflatedData)
	w, _ := flate.NewWriter(&b, flate.DefaultCompression) // it exists, and a Buffer takes everything
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func decodeUserData(data []byte, v any) error {
	if len(data) > 0 && data[0] == deflatedData {
		r := flate.NewReader(bytes.NewReader(data[1:]))
		unfolded, err := io.ReadAll(io.LimitReader(r, userDataMax+1))
		if err != nil {
			return fmt.Errorf("unfolding user data: %w", err)
		}
		data = unfolded
	}
	if len(data) > userDataMax {
		return errors.New("user data of more than 16 MiB")
	}
	return json.Unmarshal(data, v)
}
