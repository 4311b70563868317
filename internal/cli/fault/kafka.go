package fault

import (
	"context"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// advice says, for the error codes that a person meets, what can be done about them.
var advice = map[*kerr.Error]string{
	kerr.InvalidTopicException:              "topic names have 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' and '-'; internal topics cannot be changed",
	kerr.TopicAlreadyExists:                 "use --if-not-exists to accept a topic that is already there",
	kerr.InvalidReplicationFactor:           "the replication factor cannot exceed the number of running brokers; leave it out for the broker's default",
	kerr.InvalidPartitions:                  "give a number of partitions of at least 1; it can only grow later",
	kerr.InvalidConfig:                      `"leat config describe topic NAME --all" lists every setting with its value`,
	kerr.PolicyViolation:                    "the cluster's administrator restricts this operation by a policy",
	kerr.NonEmptyGroup:                      "stop the group's members first",
	kerr.GroupIDNotFound:                    `"leat group list" shows the groups that exist`,
	kerr.MessageTooLarge:                    "raise max.message.bytes of the topic, or produce smaller records",
	kerr.RecordListTooLarge:                 "lower --batch-bytes or raise max.message.bytes of the topic",
	kerr.NotEnoughReplicas:                  "fewer replicas are in sync than min.insync.replicas asks for; --acks 1 does not wait for them",
	kerr.NotEnoughReplicasAfterAppend:       "fewer replicas are in sync than min.insync.replicas asks for",
	kerr.UnsupportedVersion:                 "the broker is too old for this command, or does not offer this function",
	kerr.ClusterAuthorizationFailed:         "the user of this connection is not allowed to do that on the cluster",
	kerr.TopicAuthorizationFailed:           "the user of this connection is not allowed to do that on the topic",
	kerr.GroupAuthorizationFailed:           "the user of this connection is not allowed to do that on the group",
	kerr.KafkaStorageError:                  "the broker cannot use the partition's disk: see its log",
	kerr.TopicDeletionDisabled:              "the broker has delete.topic.enable=false",
	kerr.InvalidRecord:                      "a compacted topic needs a key on every record",
	kerr.InvalidTimestamp:                   "the topic bounds timestamps by message.timestamp.before.max.ms and message.timestamp.after.max.ms",
	kerr.GroupSubscribedToTopic:             "a member of the group is subscribed to the topic: stop it first",
	kerr.CoordinatorNotAvailable:            "the cluster is still starting or short of brokers: try again in a moment",
	kerr.OffsetOutOfRange:                   "the offset lies outside of what the partition holds: see \"leat topic describe\"",
	kerr.UnsupportedCompressionType:         "choose another --compression",
	kerr.ThrottlingQuotaExceeded:            "a quota of the cluster limits such changes: try again later",
	kerr.UnknownMemberID:                    "the group removed this member; is its processing slower than the session timeout?",
	kerr.GroupMaxSizeReached:                "the group has as many members as group.max.size allows",
	kerr.InconsistentGroupProtocol:          "the group's members use another protocol: choose another --group, or stop them",
	kerr.InvalidReplicaAssignment:           "each partition needs a list of distinct, existing broker ids of equal length",
	kerr.UnsupportedForMessageFormat:        "the topic's message format is too old",
	kerr.SecurityDisabled:                   "start the broker with authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer and super.users",
	kerr.DelegationTokenAuthDisabled:        "start the broker with delegation.token.secret.key",
	kerr.DelegationTokenRequestNotAllowed:   "log in by SASL or with a TLS certificate, and not with a token",
	kerr.DelegationTokenNotFound:            `"leat token list" shows the tokens with their secrets`,
	kerr.BrokerIDNotRegistered:              `"leat cluster describe" shows the brokers`,
	kerr.InvalidUpdateVersion:               `"leat features list" shows the levels that the cluster supports`,
	kerr.TransactionalIDAuthorizationFailed: "the user of this connection is not allowed to use the transactional id",
}

// Kafka explains an error that a broker answered, or that the client met on its way. What names the thing that
// was attempted ("create topic \"a\""); message is the broker's own explanation, if it sent one.
func Kafka(what string, err error, message string) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	out := &Error{Primary: "cannot " + what, Cause: err, Detail: message}
	ke, isKafka := errors.AsType[*kerr.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		out.Detail = "no answer within the time limit"
		out.Hint = "is the broker overloaded, or the address it advertises unreachable from here? --timeout waits longer, --verbose shows the requests"
	case errors.Is(err, context.Canceled):
		out.Detail = "interrupted"
	case isKafka:
		if out.Detail == "" || strings.EqualFold(out.Detail, ke.Message) {
			out.Detail = ke.Description
		}
		out.Detail = strings.TrimSuffix(out.Detail, ".") + " (" + ke.Message + ")"
		out.Hint = advice[ke]
	default:
		if out.Detail == "" {
			out.Detail = err.Error()
		} else {
			out.Detail += ": " + err.Error()
		}
	}
	return out
}
