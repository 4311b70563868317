package coordinator

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// appendError turns why a log refused a batch into what clients of a coordinator
// are told: look for the coordinator again, or wait.
func appendError(err error) *kerr.Error {
	var code *kerr.Error
	if !errors.As(err, &code) {
		return kerr.NotCoordinator
	}
	return coordinatorCode(code)
}

func coordinatorCode(code *kerr.Error) *kerr.Error {
	switch code {
	case kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut:
		return kerr.CoordinatorNotAvailable
	case kerr.NotLeaderForPartition, kerr.KafkaStorageError:
		return kerr.NotCoordinator
	case kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidFetchSize:
		return kerr.UnknownServerError
	case kerr.NetworkException:
		return kerr.CoordinatorLoadInProgress
	}
	return code
}
