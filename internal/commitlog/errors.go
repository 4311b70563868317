package commitlog

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrOffsetOutOfRange is returned for offsets below the log start or above the
// log end.
var ErrOffsetOutOfRange = errors.New("offset out of range")

// ErrClosed is returned by every operation of a closed log.
var ErrClosed = errors.New("log is closed")

// RecordError names one refused record of a batch.
type RecordError struct {
	BatchIndex int32 // the record's place in the batch, from 0
	Message    string
}

// AppendError refuses a batch; the log is unchanged.
type AppendError struct {
	Code         *kerr.Error
	Message      string
	RecordErrors []RecordError
}

func (e *AppendError) Error() string { return e.Code.Message + ": " + e.Message }

// Unwrap gives Kafka's error, so that errors.Is(err, kerr.MessageTooLarge) works.
func (e *AppendError) Unwrap() error { return e.Code }

func refuse(code *kerr.Error, format string, args ...any) *AppendError {
	return &AppendError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// StorageError says that the disk failed and the log is offline.
type StorageError struct {
	Op  string
	Err error
}

func (e *StorageError) Error() string { return "storage failed: " + e.Op + ": " + e.Err.Error() }
func (e *StorageError) Unwrap() error { return e.Err }

// CorruptError says that bytes which had been made durable are not what was
// written. The partition cannot be served; nothing on disk was changed.
type CorruptError struct {
	File   string
	Pos    int64
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is corrupt at byte %d: %s", e.File, e.Pos, e.Reason)
}

// ErrCorrupt matches every *CorruptError with errors.Is.
var ErrCorrupt = errors.New("log is corrupt")

// Is makes every CorruptError an ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
