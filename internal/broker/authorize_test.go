package broker

import (
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

// Nothing is served of which it is not said who may.
func TestEveryAPIHasARule(t *testing.T) {
	for _, a := range apis {
		r, ok := rules[a.key]
		if !ok {
			t.Errorf("%s has no rule: say in authorize*.go what a client needs for it", a.key.Name())
		}
		own := a.key == kmsg.Produce || a.key == kmsg.Fetch || a.key == kmsg.ShareFetch || a.key == kmsg.CreateDelegationToken || a.key == kmsg.DescribeDelegationToken
		if r.check == nil && r.needs != "" && !own {
			t.Errorf("%s needs %s and nobody looks", a.key.Name(), r.needs)
		}
	}
}

// witness is an authorizer that says no to what is listed, and remembers what it was asked.
type witness struct {
	mu    sync.Mutex
	deny  func(question string) bool
	asked []string
}

func (w *witness) Authorize(c acl.Client, op acl.Operation, typ acl.ResourceType, name string) bool {
	q := fmt.Sprintf("%v %v %s", op, typ, name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Principal != "User:ANONYMOUS" || c.Host != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		q = "bad client " + c.Principal
	}
	w.asked = append(w.asked, q)
	return !w.deny(q)
}

func (w *witness) AuthorizeAny(c acl.Client, op acl.Operation, typ acl.ResourceType) bool {
	return w.Authorize(c, op, typ, "ANY")
}

func (w *witness) set(deny func(string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deny, w.asked = deny, nil
}

func (w *witness) has(q string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.asked, q)
}

func guardedBroker(t *testing.T) (*harness, *witness) {
	t.Helper()
	w := &witness{deny: func(string) bool { return false }}
	h := startBroker(t, "authorizer.class.name", config.StandardAuthorizer, "super.users", "User:root", "auto.create.topics.enable", "false", "audit.log", "none")
	h.Broker.security.authorizer = w
	return h, w
}

func TestRequestsAskForTheRightThing(t *testing.T) {
	h, w := guardedBroker(t)
	id := h.createTopic("t", 1)
	c := h.dial()
	str := func(s string) *string { return &s }
	ask[*kmsg.FindCoordinatorResponse](c, &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"g"}}, 4) // makes its topic
	waitFor(t, func() bool {
		req := &kmsg.OffsetFetchRequest{Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g"}}}
		return ask[*kmsg.OffsetFetchResponse](c, req, 8).Groups[0].ErrorCode == 0 // it has been loaded
	})
	const (
		topic29   = int16(29)
		group30   = int16(30)
		cluster31 = int16(31)
		txn53     = int16(53)
	)
	parts := func(p ...int32) []int32 { return p }
	for _, tc := range []struct {
		needs   string // a question that has to be asked; without a yes to it there is an error
		version int16
		req     kmsg.Request
		code    int16
	}{
		{"Write Topic t", 9, produceRequest("t", 0, -1, records("x")), topic29},
		{"Write Topic gone", 9, produceRequest("gone", 0, -1, records("x")), topic29},
		{"Read Topic t", 12, fetchOf("t", id, 0, 0), topic29},
		{"Read Topic t", 16, fetchOf("t", id, 0, 0), topic29},
		{"Read Topic gone", 12, fetchOf("gone", id, 0, 0), topic29},
		{"Describe Topic t", 7, &kmsg.ListOffsetsRequest{ReplicaID: -1, Topics: []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -1, CurrentLeaderEpoch: -1}}}}}, topic29},
		{"Describe Topic t", 9, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: str("t")}}}, topic29},
		{"Describe Topic gone", 9, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: str("gone")}}}, topic29},
		{"Describe Topic t", 12, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{TopicID: id}}}, topic29},
		{"Read Group g", 8, &kmsg.OffsetCommitRequest{Group: "g", Generation: -1, Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}}, group30},
		{"Read Topic t", 8, &kmsg.OffsetCommitRequest{Group: "g", Generation: -1, Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}}, topic29},
		{"Describe Group g", 8, &kmsg.OffsetFetchRequest{Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g"}}}, group30},
		{"Describe Group g", 5, &kmsg.OffsetFetchRequest{Group: "g"}, group30},
		{"Describe Topic t", 5, &kmsg.OffsetFetchRequest{Group: "g", Topics: []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: parts(0)}}}, topic29},
		{"Describe Topic t", 8, &kmsg.OffsetFetchRequest{Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g", Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: parts(0)}}}}}, topic29},
		{"Describe Group g", 3, &kmsg.FindCoordinatorRequest{CoordinatorKey: "g"}, group30},
		{"Describe Group g", 4, &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"g"}}, group30},
		{"Describe TransactionalId x", 4, &kmsg.FindCoordinatorRequest{CoordinatorType: 1, CoordinatorKeys: []string{"x"}}, txn53},
		{"ClusterAction Cluster kafka-cluster", 6, &kmsg.FindCoordinatorRequest{CoordinatorType: 2, CoordinatorKeys: []string{"x:y:0"}}, cluster31},
		{"Read Group g", 5, &kmsg.JoinGroupRequest{Group: "g", SessionTimeoutMillis: 10000, RebalanceTimeoutMillis: 10000, ProtocolType: "consumer"}, group30},
		{"Read Group g", 4, &kmsg.HeartbeatRequest{Group: "g"}, group30},
		{"Read Group g", 5, &kmsg.LeaveGroupRequest{Group: "g"}, group30},
		{"Read Group g", 5, &kmsg.SyncGroupRequest{Group: "g", ProtocolType: str("consumer"), Protocol: str("range")}, group30},
		{"Describe Group g", 5, &kmsg.DescribeGroupsRequest{Groups: []string{"g"}}, group30},
		{"Delete Group g", 2, &kmsg.DeleteGroupsRequest{Groups: []string{"g"}}, group30},
		{"Delete Group g", 0, &kmsg.OffsetDeleteRequest{Group: "g"}, group30},
		{"Create Topic new", 7, &kmsg.CreateTopicsRequest{TimeoutMillis: 1000, ValidateOnly: true, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: "new", NumPartitions: 1, ReplicationFactor: 1}}}, topic29},
		{"Delete Topic t", 5, &kmsg.DeleteTopicsRequest{TopicNames: []string{"t"}}, topic29},
		{"Delete Topic t", 6, &kmsg.DeleteTopicsRequest{Topics: []kmsg.DeleteTopicsRequestTopic{{TopicID: id}}}, topic29},
		{"Delete Topic t", 2, &kmsg.DeleteRecordsRequest{Topics: []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 0}}}}}, topic29},
		{"Alter Topic t", 3, &kmsg.CreatePartitionsRequest{ValidateOnly: true, Topics: []kmsg.CreatePartitionsRequestTopic{{Topic: "t", Count: 2}}}, topic29},
		{"Describe Topic t", 4, &kmsg.OffsetForLeaderEpochRequest{ReplicaID: -2, Topics: []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{CurrentLeaderEpoch: -1}}}}}, topic29},
		{"DescribeConfigs Topic t", 4, &kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{{ResourceType: 2, ResourceName: "t"}}}, topic29},
		{"DescribeConfigs Cluster kafka-cluster", 4, &kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{{ResourceType: 4, ResourceName: "1"}}}, cluster31},
		{"AlterConfigs Topic t", 2, &kmsg.AlterConfigsRequest{ValidateOnly: true, Resources: []kmsg.AlterConfigsRequestResource{{ResourceType: 2, ResourceName: "t"}}}, topic29},
		{"AlterConfigs Cluster kafka-cluster", 1, &kmsg.IncrementalAlterConfigsRequest{ValidateOnly: true, Resources: []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 4, ResourceName: "1"}}}, cluster31},
		{"Describe Cluster kafka-cluster", 4, &kmsg.DescribeLogDirsRequest{}, cluster31},
		{"Read Topic t", 0, &kmsg.DescribeProducersRequest{Topics: []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: parts(0)}}}, topic29},
		{"Describe Topic t", 0, &kmsg.DescribeTopicPartitionsRequest{Topics: []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "t"}}}, topic29},
		{"DescribeConfigs Cluster kafka-cluster", 1, &kmsg.ListConfigResourcesRequest{}, cluster31},
		{"Describe Cluster kafka-cluster", 3, &kmsg.DescribeACLsRequest{ResourceType: 1, ResourcePatternType: 1, Operation: 1, PermissionType: 1}, cluster31},
		{"Alter Cluster kafka-cluster", 3, &kmsg.CreateACLsRequest{Creations: []kmsg.CreateACLsRequestCreation{{ResourceType: 2, ResourceName: "t", ResourcePatternType: 3, Principal: "User:a", Host: "*", Operation: 3, PermissionType: 3}}}, cluster31},
		{"Alter Cluster kafka-cluster", 3, &kmsg.DeleteACLsRequest{Filters: []kmsg.DeleteACLsRequestFilter{{ResourceType: 1, ResourcePatternType: 1, Operation: 1, PermissionType: 1}}}, cluster31},
		{"Describe Cluster kafka-cluster", 0, &kmsg.DescribeUserSCRAMCredentialsRequest{}, cluster31},
		{"Alter Cluster kafka-cluster", 0, &kmsg.AlterUserSCRAMCredentialsRequest{Deletions: []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: "x", Mechanism: 1}}}, cluster31},
		{"Write TransactionalId x", 4, &kmsg.InitProducerIDRequest{TransactionalID: str("x"), TransactionTimeoutMillis: 1000, ProducerID: -1, ProducerEpoch: -1}, txn53},
		{"Write TransactionalId x", 3, &kmsg.AddPartitionsToTxnRequest{TransactionalID: "x", Topics: []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "t", Partitions: parts(0)}}}, txn53},
		{"Write Topic t", 3, &kmsg.AddPartitionsToTxnRequest{TransactionalID: "x", Topics: []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "t", Partitions: parts(0)}}}, topic29},
		{"ClusterAction Cluster kafka-cluster", 4, &kmsg.AddPartitionsToTxnRequest{Transactions: []kmsg.AddPartitionsToTxnRequestTransaction{{TransactionalID: "x"}}}, cluster31},
		{"Write TransactionalId x", 3, &kmsg.AddOffsetsToTxnRequest{TransactionalID: "x", Group: "g"}, txn53},
		{"Read Group g", 3, &kmsg.AddOffsetsToTxnRequest{TransactionalID: "x", Group: "g"}, group30},
		{"Write TransactionalId x", 3, &kmsg.EndTxnRequest{TransactionalID: "x"}, txn53},
		{"Write TransactionalId x", 3, &kmsg.TxnOffsetCommitRequest{TransactionalID: "x", Group: "g", Topics: []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{}}}}}, txn53},
		{"Read Group g", 3, &kmsg.TxnOffsetCommitRequest{TransactionalID: "x", Group: "g", Topics: []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{}}}}}, group30},
		{"Read Topic t", 3, &kmsg.TxnOffsetCommitRequest{TransactionalID: "x", Group: "g", Topics: []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{}}}}}, topic29},
		{"Describe TransactionalId x", 0, &kmsg.DescribeTransactionsRequest{TransactionalIDs: []string{"x"}}, txn53},
		{"Alter Cluster kafka-cluster", 1, &kmsg.WriteTxnMarkersRequest{Markers: []kmsg.WriteTxnMarkersRequestMarker{{ProducerID: 1, Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "t", Partitions: parts(0)}}}}}, cluster31},
	} {
		if h.routes[tc.req.Key()] == nil || tc.version > h.routes[tc.req.Key()].max {
			continue // not served yet
		}
		name := fmt.Sprintf("%s v%d without %s", kmsg.NameForKey(tc.req.Key()), tc.version, tc.needs)
		// What may stand in for it is refused too.
		instead := map[string]string{"Create Topic new": "Create Cluster kafka-cluster", "Delete Topic t": "Delete Cluster kafka-cluster", "Describe Topic t": "ClusterAction Cluster kafka-cluster", "Alter Cluster kafka-cluster": "ClusterAction Cluster kafka-cluster"}[tc.needs]
		w.set(func(q string) bool { return q == tc.needs || q == instead })
		c.send(tc.req, tc.version)
		resp := c.receive(tc.req)
		if !w.has(tc.needs) {
			t.Errorf("%s: was asked only %q", name, w.asked)
		}
		if got := codes(resp); !slices.Contains(got, tc.code) {
			t.Errorf("%s: errors %v, want %d in %+v", name, got, tc.code, resp)
		}
		for _, q := range w.asked {
			if strings.HasPrefix(q, "bad client") {
				t.Errorf("%s: %s", name, q)
			}
		}
	}
}

// codes are all error codes of a response.
func codes(resp kmsg.Response) []int16 {
	var out []int16
	walkErrors(resp, func(code int16) { out = append(out, code) })
	return out
}

// What is hidden looks as if it did not exist, whoever asks for it in whatever way.
func TestNamesDoNotLeak(t *testing.T) {
	h, w := guardedBroker(t)
	id := h.createTopic("secret-topic", 1)
	h.createTopic("open-topic", 1)
	c := h.dial()
	w.set(func(q string) bool {
		return strings.Contains(q, "secret-topic") || strings.Contains(q, "no-such") || strings.Contains(q, "Cluster kafka")
	})
	str := func(s string) *string { return &s }
	for _, version := range []int16{0, 4, 9, 12} {
		req := &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: str("secret-topic")}, {Topic: str("no-such")}}}
		resp := ask[*kmsg.MetadataResponse](c, req, version)
		if len(resp.Topics) != 2 {
			t.Fatalf("version %d: %+v", version, resp.Topics)
		}
		for _, m := range resp.Topics {
			if m.ErrorCode != kerr.TopicAuthorizationFailed.Code || m.TopicID != [16]byte{} || len(m.Partitions) > 0 {
				t.Errorf("version %d: %+v", version, m)
			}
		}
		all := &kmsg.MetadataRequest{}
		resp = ask[*kmsg.MetadataResponse](c, all, version)
		if len(resp.Topics) != 1 || *resp.Topics[0].Topic != "open-topic" {
			t.Errorf("version %d shows %+v", version, resp.Topics)
		}
	}
	byID := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{TopicID: id}}}, 12).Topics[0]
	if byID.ErrorCode != kerr.TopicAuthorizationFailed.Code || byID.Topic != nil {
		t.Errorf("by id: %+v", byID)
	}
	pages := ask[*kmsg.DescribeTopicPartitionsResponse](c, &kmsg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 1}, 0)
	if len(pages.Topics) != 1 || pages.NextCursor != nil {
		t.Errorf("pages: %+v %+v", pages.Topics, pages.NextCursor)
	}
	w.set(func(q string) bool { return strings.Contains(q, "Cluster kafka") })
	ops := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{IncludeClusterAuthorizedOperations: true, IncludeTopicAuthorizedOperations: true}, 8)
	if ops.AuthorizedOperations != 0 || ops.Topics[0].AuthorizedOperations != topicOperations {
		t.Errorf("operations %d %d", ops.AuthorizedOperations, ops.Topics[0].AuthorizedOperations)
	}
	w.set(func(string) bool { return false })
	ops = ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{IncludeClusterAuthorizedOperations: true}, 8)
	if ops.AuthorizedOperations != clusterOperations || ops.Topics[0].AuthorizedOperations != math.MinInt32 {
		t.Errorf("operations %d %d", ops.AuthorizedOperations, ops.Topics[0].AuthorizedOperations)
	}
}

// An API that nobody has a rule for is closed, not open.
func TestNoRuleIsClosed(t *testing.T) {
	h, _ := guardedBroker(t)
	saved := rules[kmsg.ListGroups]
	delete(rules, kmsg.ListGroups)
	defer func() { rules[kmsg.ListGroups] = saved }()
	c := h.dial()
	c.send(kmsg.NewPtrListGroupsRequest(), 4)
	c.closed()
}

// ACLs work from their creation on, also after a restart.
func TestACLsOverTheProtocol(t *testing.T) {
	h := startBroker(t, "authorizer.class.name", config.StandardAuthorizer, "super.users", "User:ANONYMOUS")
	c := h.dial()
	create := kmsg.NewPtrCreateACLsRequest()
	add := func(typ kmsg.ACLResourceType, name string, pattern kmsg.ACLResourcePatternType, principal string) {
		n := kmsg.NewCreateACLsRequestCreation()
		n.ResourceType, n.ResourceName, n.ResourcePatternType = typ, name, pattern
		n.Principal, n.Host, n.Operation, n.PermissionType = principal, "*", kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow
		create.Creations = append(create.Creations, n)
	}
	add(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLResourcePatternTypeLiteral, "User:a")
	add(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLResourcePatternTypeLiteral, "User:a") // again: fine
	add(kmsg.ACLResourceTypeTopic, "", kmsg.ACLResourcePatternTypeLiteral, "User:a")
	add(kmsg.ACLResourceTypeCluster, "other", kmsg.ACLResourcePatternTypeLiteral, "User:a")
	add(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLResourcePatternTypeMatch, "User:a")
	add(kmsg.ACLResourceTypeTopic, "t", kmsg.ACLResourcePatternTypeLiteral, "nocolon")
	add(kmsg.ACLResourceTypeAny, "t", kmsg.ACLResourcePatternTypeLiteral, "User:a")
	var got []int16
	for _, r := range ask[*kmsg.CreateACLsResponse](c, create, 3).Results {
		got = append(got, r.ErrorCode)
	}
	if want := []int16{0, 0, 42, 42, 42, 42, 42}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	h.restart()
	if h.security.standard.Len() != 1 {
		t.Fatalf("%d entries after a restart", h.security.standard.Len())
	}
	c = h.dial()
	name := "t"
	list := &kmsg.DescribeACLsRequest{ResourceType: 2, ResourceName: &name, ResourcePatternType: 2, Operation: 1, PermissionType: 1}
	if resp := ask[*kmsg.DescribeACLsResponse](c, list, 3); len(resp.Resources) != 1 || len(resp.Resources[0].ACLs) != 1 {
		t.Errorf("%+v", resp)
	}
	del := &kmsg.DeleteACLsRequest{Filters: []kmsg.DeleteACLsRequestFilter{{ResourceType: 1, ResourcePatternType: 1, Operation: 1, PermissionType: 1}, {ResourceType: 0, ResourcePatternType: 1, Operation: 1, PermissionType: 1}}}
	resp := ask[*kmsg.DeleteACLsResponse](c, del, 3)
	if len(resp.Results[0].MatchingACLs) != 1 || resp.Results[1].ErrorCode != 42 || h.security.standard.Len() != 0 {
		t.Errorf("%+v", resp)
	}
}

func TestWithoutAnAuthorizer(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	if resp := ask[*kmsg.DescribeACLsResponse](c, &kmsg.DescribeACLsRequest{ResourceType: 1, ResourcePatternType: 1, Operation: 1, PermissionType: 1}, 3); resp.ErrorCode != kerr.SecurityDisabled.Code {
		t.Error(resp)
	}
	if resp := ask[*kmsg.CreateACLsResponse](c, &kmsg.CreateACLsRequest{Creations: make([]kmsg.CreateACLsRequestCreation, 1)}, 3); resp.Results[0].ErrorCode != kerr.SecurityDisabled.Code {
		t.Error(resp)
	}
}

func TestScramCredentialsOverTheProtocol(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	salt := []byte("salt")
	alter := func(req *kmsg.AlterUserSCRAMCredentialsRequest) map[string]int16 {
		out := map[string]int16{}
		for _, r := range ask[*kmsg.AlterUserSCRAMCredentialsResponse](c, req, 0).Results {
			out[r.User] = r.ErrorCode
		}
		return out
	}
	up := func(user string, mechanism int8, iterations int32) kmsg.AlterUserSCRAMCredentialsRequestUpsertion {
		return kmsg.AlterUserSCRAMCredentialsRequestUpsertion{Name: user, Mechanism: mechanism, Iterations: iterations, Salt: salt, SaltedPassword: make([]byte, 32)}
	}
	got := alter(&kmsg.AlterUserSCRAMCredentialsRequest{
		Upsertions: []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{up("a", 1, 4096), up("a", 2, 16384), up("few", 1, 4095), up("many", 1, 16385), up("kind", 3, 4096), up("", 1, 4096), up("twice", 1, 4096), up("twice", 1, 4096)},
		Deletions:  []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: "none", Mechanism: 1}},
	})
	want := map[string]int16{"a": 0, "few": 93, "many": 93, "kind": 33, "": 93, "twice": 92, "none": 91}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	h.restart()
	c = h.dial()
	resp := ask[*kmsg.DescribeUserSCRAMCredentialsResponse](c, &kmsg.DescribeUserSCRAMCredentialsRequest{}, 0)
	if len(resp.Results) != 1 || resp.Results[0].User != "a" || len(resp.Results[0].CredentialInfos) != 2 || resp.Results[0].CredentialInfos[1].Iterations != 16384 {
		t.Errorf("%+v", resp)
	}
	some := ask[*kmsg.DescribeUserSCRAMCredentialsResponse](c, &kmsg.DescribeUserSCRAMCredentialsRequest{Users: []kmsg.DescribeUserSCRAMCredentialsRequestUser{{Name: "a"}, {Name: "x"}, {Name: "y"}, {Name: "y"}}}, 0)
	if fmt.Sprint(some.Results[0].ErrorCode, some.Results[1].ErrorCode, some.Results[2].ErrorCode) != "0 91 92" {
		t.Errorf("%+v", some)
	}
	if got := alter(&kmsg.AlterUserSCRAMCredentialsRequest{Deletions: []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: "a", Mechanism: 1}}}); got["a"] != 0 {
		t.Error(got)
	}
	if h.meta.Image().ScramCredential("a", metadata.ScramSHA256) != nil {
		t.Error("still there")
	}
}

func walkErrors(resp kmsg.Response, f func(int16)) { walkErrorsIn(reflect.ValueOf(resp).Elem(), f) }

func walkErrorsIn(v reflect.Value, f func(int16)) {
	for i := range v.NumField() {
		field := v.Field(i)
		switch {
		case v.Type().Field(i).Name == "ErrorCode" && field.Kind() == reflect.Int16:
			f(int16(field.Int()))
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			for j := range field.Len() {
				walkErrorsIn(field.Index(j), f)
			}
		}
	}
}
