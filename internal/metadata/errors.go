package metadata

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// refusal is an operation's error for one topic or resource, as Kafka's
// responses carry it.
type refusal struct {
	code    *kerr.Error
	message string // "" for none
}

func refuse(code *kerr.Error, message string) *refusal { return &refusal{code, message} }

func (r *refusal) Error() string { return r.code.Message + ": " + r.message }

// fields are the error code and message of a response.
func (r *refusal) fields() (code int16, message *string) {
	if r == nil {
		return 0, nil
	}
	if r.message == "" {
		return r.code.Code, nil
	}
	return r.code.Code, &r.message
}

// refusalOf says in Kafka's terms why an operation as a whole failed.
func refusalOf(err error) *refusal {
	var r *refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &r):
		return r
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(kerr.RequestTimedOut, "The request timed out before the metadata change was committed.")
	case errors.Is(err, ErrNotController):
		return refuse(kerr.NotController, "")
	case errors.Is(err, ErrStorage):
		return refuse(kerr.KafkaStorageError, err.Error())
	case errors.Is(err, ErrClosed), errors.Is(err, context.Canceled):
		return refuse(kerr.NotController, "The controller is shutting down.")
	}
	return refuse(kerr.UnknownServerError, err.Error())
}
