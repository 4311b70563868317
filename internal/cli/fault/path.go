package fault

import (
	"errors"
	"io/fs"
)

// PathCause is what went wrong with a file, without the name of the operation and the path: the message it goes into names the file.
func PathCause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
