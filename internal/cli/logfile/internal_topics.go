package logfile

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	metarecord "leat.dev/internal/metadata/record"
	"leat.dev/internal/wire/batch"
)

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// decoderFor returns what turns records of one of Kafka's internal topics into text, nil for other topics.
func decoderFor(topic string) func(batch.Record) (string, bool) {
	switch topic {
	case "__consumer_offsets":
		return decodeGroupRecord
	case "__transaction_state":
		return decodeTransactionRecord
	case "__cluster_metadata":
		return decodeMetadataRecord
	}
	return nil
}

func decodeGroupRecord(r batch.Record) (string, bool) {
	if len(r.Key) < 2 {
		return "", false
	}
	switch binary.BigEndian.Uint16(r.Key) {
	case 0, 1:
		var key kmsg.OffsetCommitKey
		var value kmsg.OffsetCommitValue
		if key.ReadFrom(r.Key) != nil {
			return "", false
		}
		what := fmt.Sprintf("offset group=%s topic=%s partition=%d", key.Group, key.Topic, key.Partition)
		if r.Value == nil {
			return what + " deleted", true
		}
		if value.ReadFrom(r.Value) != nil {
			return "", false
		}
		s := fmt.Sprintf("%s offset=%d leader-epoch=%d", what, value.Offset, value.LeaderEpoch)
		if value.Metadata != "" {
			s += fmt.Sprintf(" metadata=%q", value.Metadata)
		}
		return s, true
	case 2:
		var key kmsg.GroupMetadataKey
		var value kmsg.GroupMetadataValue
		if key.ReadFrom(r.Key) != nil {
			return "", false
		}
		if r.Value == nil {
			return fmt.Sprintf("group %s deleted", key.Group), true
		}
		if value.ReadFrom(r.Value) != nil {
			return "", false
		}
		s := fmt.Sprintf("group %s generation=%d members=%d", key.Group, value.Generation, len(value.Members))
		if value.Protocol != nil {
			s += " protocol=" + *value.Protocol
		}
		if value.Leader != nil {
			s += " leader=" + *value.Leader
		}
		return s, true
	}
	return "", false
}

func decodeTransactionRecord(r batch.Record) (string, bool) {
	var key kmsg.TxnMetadataKey
	var value kmsg.TxnMetadataValue
	if key.ReadFrom(r.Key) != nil {
		return "", false
	}
	if r.Value == nil {
		return fmt.Sprintf("transaction %s deleted", key.TransactionalID), true
	}
	if value.ReadFrom(r.Value) != nil {
		return "", false
	}
	return fmt.Sprintf("transaction %s producer=%d/%d state=%s", key.TransactionalID, value.ProducerID, value.ProducerEpoch, value.State), true
}

func decodeMetadataRecord(r batch.Record) (string, bool) {
	rec, err := metarecord.Decode(r.Value)
	if err != nil {
		return "", false
	}
	t := reflect.TypeOf(rec)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	body, err := json.Marshal(rec)
	if err != nil {
		return "", false
	}
	return t.Name() + " " + string(body), true
}
