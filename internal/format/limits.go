package format

import (
	"errors"
	"fmt"

	"leat.dev/internal/row"
)

// Limits of what one row may take, whatever its bytes claim.
const (
	// roomFree is how many values a row may hold however short its bytes are, 1,048,576; roomPerByte how many more for each
	// byte. A struct of many columns costs its sender two bytes and us 24 for each column, so that a count is not enough.
	roomFree    = 1 << 20
	roomPerByte = 4
	// maxUnscaled is the longest coefficient of a binary decimal, in bytes: some 10,000 digits, as row.MaxDecText.
	maxUnscaled = 4_152
	// maxCompiled is how many places a plan may have: a writer's fields that differ in case only, each with others inside, can
	// mean the same few columns very many times.
	maxCompiled = 100_000
	// maxDefault and maxDefaultDepth bound the default of an Avro field as it is written, in bytes and in types inside types.
	maxDefault      = 1 << 20
	maxDefaultDepth = 100
)

var (
	errRoom     = fmt.Errorf("the row has more values than %d and %d for each of its bytes", roomFree, roomPerByte)
	errUnscaled = fmt.Errorf("a decimal has more than %d bytes", maxUnscaled)
	errCompiled = fmt.Errorf("the schema means the columns in more than %d ways", maxCompiled)
	errBigValue = errors.New("it is too long or too deep")
)

// room is how many values a row of so many bytes may hold.
func room(data []byte) int { return roomFree + roomPerByte*len(data) }

// checkedUnscaled is unscaled, within limits.
func checkedUnscaled(b []byte, scale int32) (row.Dec, error) {
	if len(b) > maxUnscaled {
		return row.Dec{}, errUnscaled
	}
	return unscaled(b, scale), nil
}
