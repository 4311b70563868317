package engine

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// resetError is an error after which tasks go on from what was committed last; nobody is asked. Kafka Streams: TaskCorrupted
// and TaskMigrated.
type resetError struct {
	err     error
	passing bool // it waits for something outside, up to the task timeout
}

func (e *resetError) Error() string { return e.err.Error() }
func (e *resetError) Unwrap() error { return e.err }

// Passing marks an error after which a task goes on from what was committed last, up to the task timeout.
func Passing(err error) error { return &resetError{err, true} }

// hopeless tells whether trying again from the last commit meets the same error: something is forbidden, and somebody has to
// allow it first.
func hopeless(err error) bool {
	for _, e := range []error{
		kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.InvalidTransactionTimeout, kerr.SaslAuthenticationFailed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// lasting tells whether the cluster refuses a record for what it is: it would do so after each restore, too.
func lasting(err error) bool {
	for _, e := range []error{
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation,
		kerr.UnsupportedForMessageFormat, kerr.UnsupportedCompressionType,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Unwritten tells whether an error is of a record that was sent before and is not written: whatever was in hand when it came up
// has nothing to do with it.
func Unwritten(err error) bool {
	var reset *resetError
	var refused *produceError
	return errors.As(err, &reset) || errors.As(err, &refused)
}

// errLater is wrapped by the error of a commit that could not be made now, while all is well.
var errLater = errors.New("not now")

// Decision is what a handler of production errors answers.
type Decision uint8

// The decisions.
const (
	Fail  Decision = iota // the worker stops
	Skip                  // the record is lost and counted as dropped
	Retry                 // tasks go on from the last commit, where the error may pass; else Fail
)

// ProduceFailure is a record that could not be written.
type ProduceFailure struct {
	Err        error
	Task       TaskID
	Node       string // the node that wrote it, or the store
	Topic      string
	Partition  int32
	Key, Value []byte
	Changelog  bool   // of a store: it cannot be skipped
	Source     Source // what led to it, where Out said so
}

// produceError is a record that could not be written, where the handler decided to fail.
type produceError struct{ ProduceFailure }

func (e *produceError) Error() string {
	if e.Changelog {
		fix := advice(e.Err)
		if errors.Is(e.Err, kerr.MessageTooLarge) {
			fix = "; raise max.message.bytes of the topic (for new ones: ChangelogConfig of the store, or TopicConfig): a change of a store cannot be skipped"
		}
		return fmt.Sprintf("task %s: writing a change of store %s to %s-%d: %v%s", e.Task, e.Node, e.Topic, e.Partition, e.Err, fix)
	}
	return fmt.Sprintf("task %s: node %s: writing to %s-%d: %v%s", e.Task, e.Node, e.Topic, e.Partition, e.Err, advice(e.Err))
}

func (e *produceError) Unwrap() error { return e.Err }

// advice is what to do about errors that users meet.
func advice(err error) string {
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return "; raise max.message.bytes of the topic, or decide Skip in OnProduceError"
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return "; the application needs the permission Write on the topic"
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return "; exactly-once needs the permissions Write and Describe on transactional ids that begin with the application id"
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return "; the application needs the permission Read on the group of its application id"
	case errors.Is(err, kerr.FencedInstanceID):
		return "; another process runs with the same InstanceID"
	case errors.Is(err, kerr.InvalidSessionTimeout):
		return "; the brokers bound SessionTimeout by group.min.session.timeout.ms and group.max.session.timeout.ms"
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return "; the group of this application id has members of another protocol: stop all its members before one of this protocol starts, or give the application another id"
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return "; create the topic"
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return "; exactly-once needs transactions of 10 s, and the brokers' transaction.max.timeout.ms allows less"
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "; writing needs the permission IdempotentWrite on the cluster, or Write on a topic"
	}
	return ""
}

// createAdvice is what to do about an internal topic that cannot be made.
func createAdvice(err error) string {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "; the application needs the permission Create on topics that begin with its id, or make the topic for it"
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return "; the option ReplicationFactor asks for more replicas than there are brokers"
	case errors.Is(err, kerr.PolicyViolation):
		return "; the cluster's rules for new topics forbid it: make the topic for the application, or change its settings with TopicConfig"
	}
	return advice(err)
}

// fenced tells whether a producer is no longer the one of its transactional id.
func fenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidProducerIDMapping)
}

func retriable(err error) bool {
	return kerr.IsRetriable(err) || errors.Is(err, kgo.ErrRecordTimeout) || errors.Is(err, kgo.ErrRecordRetries)
}
