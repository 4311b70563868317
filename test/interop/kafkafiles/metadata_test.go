package kafkafiles

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/metadata/record"
	"leat.dev/internal/wire/batch"
)

// dumpMetadata runs Kafka's dump tool with its metadata decoder over a file.
func dumpMetadata(t *testing.T, file string) string {
	t.Helper()
	lib := os.Getenv("LEAT_KAFKA_LIB")
	if lib == "" {
		t.Skip("LEAT_KAFKA_LIB is not set: Apache Kafka's jars are needed")
	}
	cmd := exec.CommandContext(t.Context(), "java", "-Xmx256m", "-cp", filepath.Join(lib, "*"),
		"org.apache.kafka.tools.DumpLogSegments", "--files", file, "--cluster-metadata-decoder")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the dump tool failed: %v\n%s", err, out)
	}
	if s := string(out); strings.Contains(s, "isvalid: false") || strings.Contains(s, "Exception") || strings.Contains(s, "could not") {
		t.Errorf("the dump tool complains:\n%s", out)
	}
	return string(out)
}

// payloads are the records that the tool printed, one per line.
func payloads(out string) (lines []string) {
	for line := range strings.Lines(out) {
		if _, p, ok := strings.Cut(line, "payload: "); ok {
			lines = append(lines, strings.TrimSpace(p))
		}
	}
	return lines
}

// TestKafkaReadsOurMetadata has Kafka print the log and the snapshot of a node
// that did a bit of everything.
func TestKafkaReadsOurMetadata(t *testing.T) {
	if os.Getenv("LEAT_KAFKA_LIB") == "" {
		t.Skip("LEAT_KAFKA_LIB is not set: Apache Kafka's jars are needed")
	}
	dir := filepath.Join(t.TempDir(), metadata.LogTopic+"-0")
	logger := slog.New(slog.DiscardHandler)
	if err := vfs.OS.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	log, err := commitlog.Open(commitlog.Options{
		FS: vfs.OS, Clock: clock.System, Logger: logger, Dir: dir,
		Topic: metadata.LogTopic, TopicID: [16]byte{15: 1}, Config: metadata.LogConfig(),
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := metadata.Open(t.Context(), metadata.Options{
		FS: vfs.OS, Clock: clock.System, Logger: logger, Dir: dir, Log: log,
		NodeID: 1, ClusterID: "cluster", Static: config.Defaults(), Random: rand.Reader, SnapshotBytes: 6000,
	})
	if err != nil {
		t.Fatal(err)
	}
	useMetadata(t, n)
	out := dumpMetadata(t, filepath.Join(dir, "00000000000000000000.log"))
	got := strings.Join(payloads(out), "\n")
	for _, want := range []string{
		`{"type":"FEATURE_LEVEL_RECORD","version":0,"data":{"name":"metadata.version","featureLevel":30}}`,
		`{"type":"REGISTER_BROKER_RECORD","version":4,"data":{"brokerId":1,"isMigratingZkBroker":false,`,
		`"endPoints":[{"name":"PLAINTEXT","host":"localhost","port":9092,"securityProtocol":0}],`,
		`{"type":"TOPIC_RECORD","version":0,"data":{"name":"orders","topicId":"`,
		`{"type":"CONFIG_RECORD","version":0,"data":{"resourceType":2,"resourceName":"orders","name":"retention.ms","value":"1000"}}`,
		`{"type":"CONFIG_RECORD","version":0,"data":{"resourceType":2,"resourceName":"orders","name":"retention.ms","value":null}}`,
		`{"type":"PARTITION_RECORD","version":2,"data":{"partitionId":1,"topicId":"`,
		`"replicas":[1],"isr":[1],"removingReplicas":[],"addingReplicas":[],"leader":1,"leaderEpoch":0,"partitionEpoch":0,`,
		`{"type":"PARTITION_CHANGE_RECORD","version":2,"data":{"partitionId":0,"topicId":"`,
		`{"type":"PRODUCER_IDS_RECORD","version":0,"data":{"brokerId":1,"brokerEpoch":`,
		`{"type":"REMOVE_TOPIC_RECORD","version":0,"data":{"topicId":"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Kafka's dump lacks %s", want)
		}
	}
	if want := `LeaderChange: {"version":0,"leaderId":1,"voters":[{"voterId":1}],"grantingVoters":[{"voterId":1}]}`; !strings.Contains(out, want) {
		t.Errorf("Kafka's dump lacks %s", want)
	}
	if t.Failed() {
		t.Log(out)
	}

	snapshot := snapshotIn(t, dir)
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	out = dumpMetadata(t, snapshot)
	for _, want := range []string{`SnapshotHeader {"version":0,"lastContainedLogTimestamp":`, `SnapshotFooter {"version":0}`, `"name":"orders"`, `"name":"filler-00"`} {
		if !strings.Contains(out, want) {
			t.Errorf("Kafka's dump of the snapshot lacks %s:\n%s", want, out)
		}
	}
}

// useMetadata leaves each kind of record that the controller writes behind.
func useMetadata(t *testing.T, n *metadata.Node) {
	t.Helper()
	ctx := t.Context()
	reg := kmsg.NewPtrBrokerRegistrationRequest()
	reg.BrokerID, reg.ClusterID, reg.PreviousBrokerEpoch, reg.LogDirs = 1, "cluster", -1, [][16]byte{{7}}
	l := kmsg.NewBrokerRegistrationRequestListener()
	l.Name, l.Host, l.Port = "PLAINTEXT", "localhost", 9092
	reg.Listeners = append(reg.Listeners, l)
	if _, err := n.StartBroker(ctx, reg); err != nil {
		t.Fatal(err)
	}
	create := func(name string) {
		req := kmsg.NewPtrCreateTopicsRequest()
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 2, 1
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = "retention.ms", new("1000")
		topic.Configs = append(topic.Configs, c)
		req.Topics = append(req.Topics, topic)
		if resp := n.CreateTopics(ctx, req); resp.Topics[0].ErrorCode != 0 {
			t.Fatalf("%+v", resp.Topics[0])
		}
	}
	create("orders")
	create("gone")
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	rs := kmsg.NewIncrementalAlterConfigsRequestResource()
	rs.ResourceType, rs.ResourceName = kmsg.ConfigResourceTypeTopic, "orders"
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Op = "retention.ms", kmsg.IncrementalAlterConfigOpDelete
	rs.Configs = append(rs.Configs, c)
	alter.Resources = append(alter.Resources, rs)
	n.IncrementalAlterConfigs(ctx, alter)
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TopicNames = []string{"gone"}
	n.DeleteTopics(ctx, del)
	if _, _, err := n.AllocateProducerIDs(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := n.StartBroker(ctx, reg); err != nil { // as after a crash: leader epochs go up
		t.Fatal(err)
	}
	for i := range 30 { // past the next snapshot
		create("filler-" + string(rune('0'+i/10)) + string(rune('0'+i%10)))
	}
}

// snapshotIn waits for a snapshot that the log was cut at.
func snapshotIn(t *testing.T, dir string) string {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if found, _ := filepath.Glob(filepath.Join(dir, "*.checkpoint")); len(found) == 1 {
			return found[0]
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("no snapshot within 10 s")
		}
	}
}

// TestKafkaReadsEveryRecord has Kafka decode every record type that we can
// write, and compares the fields it saw with ours.
func TestKafkaReadsEveryRecord(t *testing.T) {
	id := record.UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	change := record.NewPartitionChange(7, id)
	change.ISR, change.Leader, change.Replicas = []int32{1, 2}, 2, []int32{1, 2, 3}
	change.RemovingReplicas, change.AddingReplicas = []int32{1}, []int32{}
	change.LeaderRecoveryState, change.Directories = 1, []record.UUID{id}
	change.EligibleLeaderReplicas, change.LastKnownELR = []int32{4}, []int32{}
	endpoints := []record.Endpoint{{Name: "SSL", Host: "h", Port: 65535, SecurityProtocol: 1}}
	features := []record.FeatureRange{{Name: "f", Min: 1, Max: 3}}
	records := map[string]record.Record{
		`{"type":"UNREGISTER_BROKER_RECORD","version":0,"data":{"brokerId":2,"brokerEpoch":3}}`: &record.UnregisterBroker{BrokerID: 2, BrokerEpoch: 3},
		`{"type":"FENCE_BROKER_RECORD","version":0,"data":{"id":2,"epoch":3}}`:                  &record.FenceBroker{ID: 2, Epoch: 3},
		`{"type":"UNFENCE_BROKER_RECORD","version":0,"data":{"id":2,"epoch":3}}`:                &record.UnfenceBroker{ID: 2, Epoch: 3},
		`{"type":"REGISTER_BROKER_RECORD","version":4,"data":{"brokerId":1,"isMigratingZkBroker":true,"incarnationId":"AQIDBAUGBwgJCgsMDQ4PEA","brokerEpoch":9,"endPoints":[{"name":"SSL","host":"h","port":65535,"securityProtocol":1}],"features":[{"name":"f","minSupportedVersion":1,"maxSupportedVersion":3}],"rack":"r","fenced":false,"inControlledShutdown":true,"logDirs":["AQIDBAUGBwgJCgsMDQ4PEA"],"cordonedLogDirs":[]}}`: &record.RegisterBroker{
			BrokerID: 1, IsMigratingZkBroker: true, IncarnationID: id, BrokerEpoch: 9, EndPoints: endpoints, Features: features, Rack: new("r"),
			InControlledShutdown: true, LogDirs: []record.UUID{id}, CordonedLogDirs: []record.UUID{}},
		`{"type":"BROKER_REGISTRATION_CHANGE_RECORD","version":2,"data":{"brokerId":1,"brokerEpoch":2,"fenced":1,"inControlledShutdown":1,"logDirs":["AQIDBAUGBwgJCgsMDQ4PEA"]}}`: &record.BrokerRegistrationChange{
			BrokerID: 1, BrokerEpoch: 2, Fenced: 1, InControlledShutdown: 1, LogDirs: []record.UUID{id}},
		`{"type":"PARTITION_RECORD","version":2,"data":{"partitionId":1,"topicId":"AQIDBAUGBwgJCgsMDQ4PEA","replicas":[1,2],"isr":[2],"removingReplicas":[1],"addingReplicas":[3],"leader":-1,"leaderRecoveryState":1,"leaderEpoch":4,"partitionEpoch":5,"directories":["AQIDBAUGBwgJCgsMDQ4PEA"],"eligibleLeaderReplicas":[1],"lastKnownElr":[]}}`: &record.Partition{
			PartitionID: 1, TopicID: id, Replicas: []int32{1, 2}, ISR: []int32{2}, RemovingReplicas: []int32{1}, AddingReplicas: []int32{3}, Leader: -1,
			LeaderRecoveryState: 1, LeaderEpoch: 4, PartitionEpoch: 5, Directories: []record.UUID{id}, EligibleLeaderReplicas: []int32{1}, LastKnownELR: []int32{}},
		`{"type":"PARTITION_CHANGE_RECORD","version":2,"data":{"partitionId":7,"topicId":"AQIDBAUGBwgJCgsMDQ4PEA","isr":[1,2],"leader":2,"replicas":[1,2,3],"removingReplicas":[1],"addingReplicas":[],"leaderRecoveryState":1,"directories":["AQIDBAUGBwgJCgsMDQ4PEA"],"eligibleLeaderReplicas":[4],"lastKnownElr":[]}}`: change,
		`{"type":"CLIENT_QUOTA_RECORD","version":0,"data":{"entity":[{"entityType":"user","entityName":"ann"},{"entityType":"client-id","entityName":null}],"key":"k","value":1024.5,"remove":true}}`: &record.ClientQuota{
			Entity: []record.QuotaEntity{{Type: "user", Name: new("ann")}, {Type: "client-id"}}, Key: "k", Value: 1024.5, Remove: true},
		`{"type":"ACCESS_CONTROL_ENTRY_RECORD","version":0,"data":{"id":"AQIDBAUGBwgJCgsMDQ4PEA","resourceType":2,"resourceName":"t","patternType":3,"principal":"User:ann","host":"*","operation":4,"permissionType":3}}`: &record.AccessControlEntry{
			ID: id, ResourceType: 2, ResourceName: "t", PatternType: 3, Principal: "User:ann", Host: "*", Operation: 4, PermissionType: 3},
		`{"type":"REMOVE_ACCESS_CONTROL_ENTRY_RECORD","version":0,"data":{"id":"AQIDBAUGBwgJCgsMDQ4PEA"}}`: &record.RemoveAccessControlEntry{ID: id},
		`{"type":"REMOVE_USER_SCRAM_CREDENTIAL_RECORD","version":0,"data":{"name":"ann","mechanism":2}}`:   &record.RemoveUserScramCredential{Name: "ann", Mechanism: 2},
		`{"type":"DELEGATION_TOKEN_RECORD","version":0,"data":{"owner":"o","requester":"r","renewers":["a","b"],"issueTimestamp":1,"maxTimestamp":2,"expirationTimestamp":3,"tokenId":"id"}}`: &record.DelegationToken{
			Owner: "o", Requester: "r", Renewers: []string{"a", "b"}, IssueTimestamp: 1, MaxTimestamp: 2, ExpirationTimestamp: 3, TokenID: "id"},
		`{"type":"REMOVE_DELEGATION_TOKEN_RECORD","version":0,"data":{"tokenId":"id"}}`:                            &record.RemoveDelegationToken{TokenID: "id"},
		`{"type":"CLEAR_ELR_RECORD","version":0,"data":{"topicName":"t"}}`:                                         &record.ClearElr{TopicName: "t"},
		`{"type":"NO_OP_RECORD","version":0,"data":{}}`:                                                            &record.NoOp{},
		`{"type":"BEGIN_TRANSACTION_RECORD","version":0,"data":{"name":"n"}}`:                                      &record.BeginTransaction{Name: new("n")},
		`{"type":"ABORT_TRANSACTION_RECORD","version":0,"data":{"reason":"why"}}`:                                  &record.AbortTransaction{Reason: new("why")},
		`{"type":"END_TRANSACTION_RECORD","version":0,"data":{}}`:                                                  &record.EndTransaction{},
		`{"type":"CONFIG_RECORD","version":0,"data":{"resourceType":4,"resourceName":"","name":"k","value":null}}`: &record.Config{ResourceType: 4, Name: "k"},
		`{"type":"PRODUCER_IDS_RECORD","version":0,"data":{"brokerId":1,"brokerEpoch":-1,"nextProducerId":5000}}`:  &record.ProducerIDs{BrokerID: 1, BrokerEpoch: -1, NextProducerID: 5000},
		`{"type":"USER_SCRAM_CREDENTIAL_RECORD","version":0,"data":{"name":"ann","mechanism":1,"salt":"AQ==","storedKey":"AgM=","serverKey":"BA==","iterations":4096}}`: &record.UserScramCredential{
			Name: "ann", Mechanism: 1, Salt: []byte{1}, StoredKey: []byte{2, 3}, ServerKey: []byte{4}, Iterations: 4096},
	}
	b := batch.NewBuilder(batch.BuilderOptions{})
	for _, r := range records {
		b.Append(1, nil, record.Append(nil, r), nil)
	}
	data, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "00000000000000000000.log")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, line := range payloads(dumpMetadata(t, file)) {
		seen[normal(t, line)] = true
	}
	for want := range records {
		if !seen[normal(t, want)] {
			t.Errorf("Kafka did not print %s", want)
		}
	}
	if t.Failed() {
		for line := range seen {
			t.Log(line)
		}
	}
}

// normal is a JSON text with its keys in order.
func normal(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
