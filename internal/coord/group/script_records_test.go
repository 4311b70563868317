package group

import (
	"fmt"

	"leat.dev/internal/coord/group/assign"
)

// recordForm is how records of a type are shown in scripts, and written again the way this
// package does.
type recordForm struct {
	name string
	show func(value []byte, names topicNames) string
	// again decodes and encodes.
	again func(value []byte) []byte
}

func form[V any](name string, decode func([]byte) (V, error), encode func(V) []byte, show func(V, topicNames) string) recordForm {
	return recordForm{
		name: name,
		show: func(value []byte, names topicNames) string {
			v, err := decode(value)
			s := " " + show(v, names)
			if err != nil {
				s += " " + err.Error()
			}
			return s
		},
		again: func(value []byte) []byte {
			v, _ := decode(value)
			return encode(v)
		},
	}
}

// recordForms are those of the groups whose coordinator assigns, by the type of the key.
var recordForms = map[int16]recordForm{
	keyConsumerGroup:     form("consumer-group", DecodeConsumerGroup, EncodeConsumerGroup, showGroupEpoch),
	keyConsumerMember:    form("member", DecodeConsumerMember, EncodeConsumerMember, showConsumerMember),
	keyTargetMetadata:    form("target-epoch", DecodeTargetMetadata, EncodeTargetMetadata, showTargetEpoch),
	keyTargetAssignment:  form("target", DecodeTargetAssignment, EncodeTargetAssignment, showPartitions),
	keyCurrentAssignment: form("current", DecodeCurrentAssignment, EncodeCurrentAssignment, showConsumerCurrent),
	keyRegularExpression: form("regex", DecodeRegex, EncodeRegex, func(v RegexValue, _ topicNames) string { return fmt.Sprintf("topics=%v", v.Topics) }),

	keyShareGroup:             form("share-group", DecodeShareGroup, EncodeShareGroup, showGroupEpoch),
	keyShareMember:            form("share-member", DecodeShareMember, EncodeShareMember, showShareMember),
	keyShareTargetMetadata:    form("share-target-epoch", DecodeTargetMetadata, EncodeTargetMetadata, showTargetEpoch),
	keyShareTargetAssignment:  form("share-target", DecodeTargetAssignment, EncodeTargetAssignment, showPartitions),
	keyShareCurrentAssignment: form("share-current", DecodeShareCurrent, EncodeShareCurrent, showShareCurrent),
	keyShareState:             form("share-state", DecodeShareState, EncodeShareState, showShareState),

	keyStreamsGroup:          form("streams-group", DecodeStreamsGroup, EncodeStreamsGroup, showStreamsGroup),
	keyStreamsMember:         form("streams-member", DecodeStreamsMember, EncodeStreamsMember, showStreamsMember),
	keyStreamsTargetMetadata: form("streams-target-epoch", DecodeTargetMetadata, EncodeTargetMetadata, showStreamsTargetEpoch),
	keyStreamsTarget:         form("streams-target", DecodeStreamsTarget, EncodeStreamsTarget, showStreamsTarget),
	keyStreamsCurrent:        form("streams-current", DecodeStreamsCurrent, EncodeStreamsCurrent, showStreamsCurrent),
	keyStreamsTopology:       form("streams-topology", DecodeTopology, EncodeTopology, showTopology),
}

// groupRecord takes apart the key of such a record.
func groupRecord(key Key) (typ int16, group, name string, ok bool) {
	switch k := key.(type) {
	case ConsumerKey:
		return k.Type, k.Group, k.Name, true
	case ShareKey:
		return k.Type, k.Group, k.Name, true
	case StreamsKey:
		return k.Type, k.Group, k.Member, true
	}
	return 0, "", "", false
}

// describeGroupRecord shows a record of a group whose coordinator assigns; false for
// others.
func describeGroupRecord(key Key, value []byte, names topicNames) (string, bool) {
	typ, group, name, ok := groupRecord(key)
	if !ok {
		return "", false
	}
	s := recordForms[typ].name + " " + group
	if name != "" {
		s += " " + name
	}
	if value == nil {
		return s + " tombstone", true
	}
	return s + recordForms[typ].show(value, names), true
}

// reencode writes such a record the way this package does; nil for others.
func reencode(r Record) []byte {
	key, _ := DecodeKey(r.Key)
	typ, _, _, ok := groupRecord(key)
	if !ok || r.Value == nil {
		return nil
	}
	return recordForms[typ].again(r.Value)
}

func showGroupEpoch(v ConsumerGroupValue, _ topicNames) string {
	s := fmt.Sprintf("epoch=%d", v.Epoch)
	if v.Hash == 0 {
		s += " no-hash"
	}
	return s
}

func showTargetEpoch(v TargetMetadataValue, _ topicNames) string {
	s := fmt.Sprintf("epoch=%d", v.Epoch)
	if v.Timestamp == 0 {
		s += " no-time"
	}
	return s
}

func showPartitions(v assign.Partitions, names topicNames) string { return names.partitions(v) }

func showConsumerMember(v ConsumerMemberValue, _ topicNames) string {
	s := fmt.Sprintf("client=%s%s names=%v regex=%q rebalance=%d", v.ClientID, v.ClientHost, v.Topics, v.Regex, v.RebalanceTimeoutMillis)
	if v.InstanceID != nil {
		s += " instance=" + *v.InstanceID
	}
	if v.RackID != nil {
		s += " rack=" + *v.RackID
	}
	if v.Assignor != nil {
		s += " assignor=" + *v.Assignor
	}
	if v.Classic != nil {
		s += fmt.Sprintf(" classic session=%d protocols=", v.Classic.SessionTimeoutMillis)
		for _, p := range v.Classic.Protocols {
			s += fmt.Sprintf("%s(%dB)", p.Name, len(p.Metadata))
		}
	}
	return s
}

func showConsumerCurrent(v CurrentAssignmentValue, names topicNames) string {
	s := fmt.Sprintf("epoch=%d previous=%d state=%d %s", v.Epoch, v.Previous, v.State, names.held(v.Assigned))
	if len(v.Revoking) > 0 {
		s += " revoking=" + names.held(v.Revoking)
	}
	return s
}

func showShareMember(v ShareMemberValue, _ topicNames) string {
	s := fmt.Sprintf("client=%s%s names=%v", v.ClientID, v.ClientHost, v.Topics)
	if v.RackID != nil {
		s += " rack=" + *v.RackID
	}
	return s
}

func showShareCurrent(v ShareCurrentValue, names topicNames) string {
	return fmt.Sprintf("epoch=%d previous=%d state=%d %s", v.Epoch, v.Previous, v.State, names.partitions(v.Assigned))
}

func showShareState(v ShareStateValue, names topicNames) string {
	var deleting []string
	for _, name := range v.Deleting {
		deleting = append(deleting, name)
	}
	return "initializing=" + names.shareTopics(v.Initializing) + " initialized=" + names.shareTopics(v.Initialized) + " deleting=" + sortedList(deleting)
}

func showStreamsGroup(v StreamsGroupValue, _ topicNames) string {
	s := fmt.Sprintf("epoch=%d validated=%d configs=%v", v.Epoch, v.Validated, v.AssignmentConfigs)
	if v.Hash == 0 {
		s += " no-hash"
	}
	return s
}

func showStreamsMember(v StreamsMemberValue, _ topicNames) string {
	s := fmt.Sprintf("client=%s%s rack=%s rebalance=%d topology=%d process=%s tags=%v", v.ClientID, v.ClientHost, deref(v.RackID), v.RebalanceTimeoutMillis, v.TopologyEpoch, v.ProcessID, v.Tags)
	if v.Endpoint != nil {
		s += fmt.Sprintf(" endpoint=%s:%d", v.Endpoint.Host, v.Endpoint.Port)
	}
	return s
}

// showStreamsTargetEpoch leaves the time out.
func showStreamsTargetEpoch(v TargetMetadataValue, _ topicNames) string {
	return fmt.Sprintf("epoch=%d", v.Epoch)
}

func showStreamsTarget(v assign.TaskSet, _ topicNames) string {
	return describeTaskIDs(taskIDs(v.Active)) + describeTaskIDs(taskIDs(v.Standby)) + describeTaskIDs(taskIDs(v.Warmup))
}

func showStreamsCurrent(v StreamsCurrentValue, _ topicNames) string {
	s := fmt.Sprintf("epoch=%d previous=%d state=%d %s", v.Epoch, v.Previous, v.State, describeHeldTasks(v.Assigned))
	if !sameTasks(v.Revoking, noTasks()) {
		s += " revoking=" + describeHeldTasks(v.Revoking)
	}
	return s
}

func showTopology(v TopologyValue, _ topicNames) string {
	return fmt.Sprintf("epoch=%d parts=%d", v.Epoch, len(v.Subtopologies))
}
