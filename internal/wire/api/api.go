// Package api says which of Kafka's APIs and versions Leat's broker can speak,
// and checks a request's shape before it is decoded.
//
// The table is what Kafka 4.3.1 advertises, cut down to what a single node
// without security and the newer group kinds serves. What is
// advertised in the end is the broker's handler table, which may only name
// what stands here.
//
// The package starts no goroutines and its tables never change.
package api

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// API is a line of the table.
type API struct {
	Key  kmsg.Key
	Name string // as in Kafka's protocol guide
	// Min and Max are the versions served. Produce below 3 is advertised for
	// old clients but refused, as in Kafka.
	Min, Max int16
	// Flexible is the first version with compact lengths and tagged fields.
	Flexible int16

	shape string
}

// table holds the shapes of requests next to their versions; shape.go says how
// to read them. Produce has none: package produce decodes it and allocates
// nothing that the request's size does not bound.
var table = []API{
	{Key: kmsg.Produce, Name: "Produce", Min: 0, Max: 13},
	{Key: kmsg.Fetch, Name: "Fetch", Min: 4, Max: 18,
		shape: "4@0-14 4 4 4 1 4@7 4@7 [s@0-12 u@13 [4 4@9 8 4@12 8@5 4]] [s@0-12 u@13 *4]@7 s@11 #1{4 8}@15"},
	{Key: kmsg.ListOffsets, Name: "ListOffsets", Min: 1, Max: 11,
		shape: "4 1@2 [s [4 4@4 8]] 4@10"},
	{Key: kmsg.Metadata, Name: "Metadata", Min: 0, Max: 13,
		shape: "[u@10 s]@0-0 ~[u@10 s]@1 1@4 1@8-10 1@8"},
	{Key: kmsg.OffsetCommit, Name: "OffsetCommit", Min: 2, Max: 10,
		shape: "s 4 s s@7 8@2-4 [s@0-9 u@10 [4 8 4@6 s]]"},
	{Key: kmsg.OffsetFetch, Name: "OffsetFetch", Min: 1, Max: 10,
		shape: "s@0-7 [s *4]@0-1 ~[s *4]@2-7 [s s@9 4@9 ~[s@0-9 u@10 *4]]@8 1@7"},
	{Key: kmsg.FindCoordinator, Name: "FindCoordinator", Min: 0, Max: 6,
		shape: "s@0-3 1@1 *s@4"},
	{Key: kmsg.JoinGroup, Name: "JoinGroup", Min: 0, Max: 9,
		shape: "s 4 4@1 s s@5 s [s b] s@8"},
	{Key: kmsg.Heartbeat, Name: "Heartbeat", Min: 0, Max: 4,
		shape: "s 4 s s@3"},
	{Key: kmsg.LeaveGroup, Name: "LeaveGroup", Min: 0, Max: 5,
		shape: "s s@0-2 [s s s@5]@3"},
	{Key: kmsg.SyncGroup, Name: "SyncGroup", Min: 0, Max: 5,
		shape: "s 4 s s@3 s@5 s@5 [s b]"},
	{Key: kmsg.DescribeGroups, Name: "DescribeGroups", Min: 0, Max: 6,
		shape: "*s 1@3"},
	{Key: kmsg.ListGroups, Name: "ListGroups", Min: 0, Max: 5,
		shape: "*s@4 *s@5"},
	{Key: kmsg.SASLHandshake, Name: "SaslHandshake", Min: 0, Max: 1,
		shape: "s"},
	{Key: kmsg.ApiVersions, Name: "ApiVersions", Min: 0, Max: 4,
		shape: "s@3 s@3"},
	{Key: kmsg.CreateTopics, Name: "CreateTopics", Min: 2, Max: 7,
		shape: "[s 4 2 [4 *4] [s s]] 4 1"},
	{Key: kmsg.DeleteTopics, Name: "DeleteTopics", Min: 1, Max: 6,
		shape: "*s@0-5 [s u]@6 4"},
	{Key: kmsg.DeleteRecords, Name: "DeleteRecords", Min: 0, Max: 2,
		shape: "[s [4 8]] 4"},
	{Key: kmsg.InitProducerID, Name: "InitProducerId", Min: 0, Max: 5,
		shape: "s 4 8@3 2@3"},
	{Key: kmsg.OffsetForLeaderEpoch, Name: "OffsetForLeaderEpoch", Min: 2, Max: 4,
		shape: "4@3 [s [4 4 4]]"},
	{Key: kmsg.AddPartitionsToTxn, Name: "AddPartitionsToTxn", Min: 0, Max: 5,
		shape: "s@0-3 8@0-3 2@0-3 [s *4]@0-3 [s 8 2 1 [s *4]]@4"},
	{Key: kmsg.AddOffsetsToTxn, Name: "AddOffsetsToTxn", Min: 0, Max: 4,
		shape: "s 8 2 s"},
	{Key: kmsg.EndTxn, Name: "EndTxn", Min: 0, Max: 5,
		shape: "s 8 2 1"},
	{Key: kmsg.WriteTxnMarkers, Name: "WriteTxnMarkers", Min: 1, Max: 2,
		shape: "[8 2 1 [s *4] 4 1@2]"},
	{Key: kmsg.TxnOffsetCommit, Name: "TxnOffsetCommit", Min: 0, Max: 5,
		shape: "s s 8 2 4@3 s@3 s@3 [s [4 8 4@2 s]]"},
	{Key: kmsg.DescribeACLs, Name: "DescribeAcls", Min: 1, Max: 3,
		shape: "1 s 1 s s 1 1"},
	{Key: kmsg.CreateACLs, Name: "CreateAcls", Min: 1, Max: 3,
		shape: "[1 s 1 s s 1 1]"},
	{Key: kmsg.DeleteACLs, Name: "DeleteAcls", Min: 1, Max: 3,
		shape: "[1 s 1 s s 1 1]"},
	{Key: kmsg.DescribeConfigs, Name: "DescribeConfigs", Min: 1, Max: 4,
		shape: "[1 s ~*s] 1 1@3"},
	{Key: kmsg.AlterConfigs, Name: "AlterConfigs", Min: 0, Max: 2,
		shape: "[1 s [s s]] 1"},
	{Key: kmsg.AlterReplicaLogDirs, Name: "AlterReplicaLogDirs", Min: 1, Max: 2,
		shape: "[s [s *4]]"},
	{Key: kmsg.DescribeLogDirs, Name: "DescribeLogDirs", Min: 1, Max: 5,
		shape: "~[s *4]"},
	{Key: kmsg.SASLAuthenticate, Name: "SaslAuthenticate", Min: 0, Max: 2,
		shape: "b"},
	{Key: kmsg.CreatePartitions, Name: "CreatePartitions", Min: 0, Max: 3,
		shape: "[s 4 ~[*4]] 4 1"},
	{Key: kmsg.CreateDelegationToken, Name: "CreateDelegationToken", Min: 1, Max: 3,
		shape: "s@3 s@3 [s s] 8"},
	{Key: kmsg.RenewDelegationToken, Name: "RenewDelegationToken", Min: 1, Max: 2,
		shape: "b 8"},
	{Key: kmsg.ExpireDelegationToken, Name: "ExpireDelegationToken", Min: 1, Max: 2,
		shape: "b 8"},
	{Key: kmsg.DescribeDelegationToken, Name: "DescribeDelegationToken", Min: 1, Max: 3,
		shape: "~[s s]"},
	{Key: kmsg.DeleteGroups, Name: "DeleteGroups", Min: 0, Max: 2,
		shape: "*s"},
	{Key: kmsg.ElectLeaders, Name: "ElectLeaders", Min: 0, Max: 2,
		shape: "1@1 ~[s *4] 4"},
	{Key: kmsg.IncrementalAlterConfigs, Name: "IncrementalAlterConfigs", Min: 0, Max: 1,
		shape: "[1 s [s 1 s]] 1"},
	{Key: kmsg.AlterPartitionAssignments, Name: "AlterPartitionAssignments", Min: 0, Max: 1,
		shape: "4 1@1 [s [4 ~*4]]"},
	{Key: kmsg.ListPartitionReassignments, Name: "ListPartitionReassignments", Min: 0, Max: 0,
		shape: "4 ~[s *4]"},
	{Key: kmsg.OffsetDelete, Name: "OffsetDelete", Min: 0, Max: 0,
		shape: "s [s [4]]"},
	{Key: kmsg.DescribeClientQuotas, Name: "DescribeClientQuotas", Min: 0, Max: 1,
		shape: "[s 1 s] 1"},
	{Key: kmsg.AlterClientQuotas, Name: "AlterClientQuotas", Min: 0, Max: 1,
		shape: "[[s s] [s 8 1]] 1"},
	{Key: kmsg.DescribeUserSCRAMCredentials, Name: "DescribeUserScramCredentials", Min: 0, Max: 0,
		shape: "~[s]"},
	{Key: kmsg.AlterUserSCRAMCredentials, Name: "AlterUserScramCredentials", Min: 0, Max: 0,
		shape: "[s 1] [s 1 4 b b]"},
	{Key: kmsg.DescribeQuorum, Name: "DescribeQuorum", Min: 0, Max: 2,
		shape: "[s [4]]"},
	{Key: kmsg.UpdateFeatures, Name: "UpdateFeatures", Min: 0, Max: 2,
		shape: "4 [s 2 1@0-0 1@1] 1@1"},
	{Key: kmsg.DescribeCluster, Name: "DescribeCluster", Min: 0, Max: 2,
		shape: "1 1@1 1@2"},
	{Key: kmsg.DescribeProducers, Name: "DescribeProducers", Min: 0, Max: 0,
		shape: "[s *4]"},
	{Key: kmsg.UnregisterBroker, Name: "UnregisterBroker", Min: 0, Max: 0,
		shape: "4"},
	{Key: kmsg.DescribeTransactions, Name: "DescribeTransactions", Min: 0, Max: 0,
		shape: "*s"},
	{Key: kmsg.ListTransactions, Name: "ListTransactions", Min: 0, Max: 2,
		shape: "*s *8 8@1 s@2"},
	{Key: kmsg.ConsumerGroupHeartbeat, Name: "ConsumerGroupHeartbeat", Min: 0, Max: 1,
		shape: "s s 4 s s 4 ~*s s@1 s ~[u *4]"},
	{Key: kmsg.ConsumerGroupDescribe, Name: "ConsumerGroupDescribe", Min: 0, Max: 1,
		shape: "*s 1"},
	{Key: kmsg.GetTelemetrySubscriptions, Name: "GetTelemetrySubscriptions", Min: 0, Max: 0,
		shape: "u"},
	{Key: kmsg.PushTelemetry, Name: "PushTelemetry", Min: 0, Max: 0,
		shape: "u 4 1 1 b"},
	{Key: kmsg.ListConfigResources, Name: "ListConfigResources", Min: 0, Max: 1,
		shape: "*1@1"},
	{Key: kmsg.DescribeTopicPartitions, Name: "DescribeTopicPartitions", Min: 0, Max: 0,
		shape: "[s] 4 ?{s 4}"},
	{Key: kmsg.ShareGroupHeartbeat, Name: "ShareGroupHeartbeat", Min: 1, Max: 1,
		shape: "s s 4 s ~*s"},
	{Key: kmsg.ShareGroupDescribe, Name: "ShareGroupDescribe", Min: 1, Max: 1,
		shape: "*s 1"},
	{Key: kmsg.ShareFetch, Name: "ShareFetch", Min: 1, Max: 2,
		shape: "s s 4 4 4 4 4 4 1@2 1@2 [u [4 [8 8 *1]]] [u *4]"},
	{Key: kmsg.ShareAcknowledge, Name: "ShareAcknowledge", Min: 1, Max: 2,
		shape: "s s 4 1@2 [u [4 [8 8 *1]]]"},
	{Key: kmsg.AddRaftVoter, Name: "AddRaftVoter", Min: 0, Max: 1,
		shape: "s 4 4 u [s s 2] 1@1"},
	{Key: kmsg.RemoveRaftVoter, Name: "RemoveRaftVoter", Min: 0, Max: 0,
		shape: "s 4 u"},
	{Key: kmsg.InitializeShareGroupState, Name: "InitializeShareGroupState", Min: 0, Max: 0,
		shape: "s [u [4 4 8]]"},
	{Key: kmsg.ReadShareGroupState, Name: "ReadShareGroupState", Min: 0, Max: 0,
		shape: "s [u [4 4]]"},
	{Key: kmsg.WriteShareGroupState, Name: "WriteShareGroupState", Min: 0, Max: 1,
		shape: "s [u [4 4 4 8 4@1 [8 8 1 2]]]"},
	{Key: kmsg.DeleteShareGroupState, Name: "DeleteShareGroupState", Min: 0, Max: 0,
		shape: "s [u [4]]"},
	{Key: kmsg.ReadShareGroupStateSummary, Name: "ReadShareGroupStateSummary", Min: 0, Max: 1,
		shape: "s [u [4 4]]"},
	{Key: kmsg.StreamsGroupHeartbeat, Name: "StreamsGroupHeartbeat", Min: 0, Max: 0,
		shape: "s s 4 4 s s 4 ?{4 [s *s *s [s 4 2 [s s]] *s [s 4 2 [s s]] [*2 *2 *2]]} ~[s *4] ~[s *4] ~[s *4] s ?{s 2} ~[s s] ~[s 4 8] ~[s 4 8] 1"},
	{Key: kmsg.StreamsGroupDescribe, Name: "StreamsGroupDescribe", Min: 0, Max: 0,
		shape: "*s 1"},
	{Key: kmsg.DescribeShareGroupOffsets, Name: "DescribeShareGroupOffsets", Min: 0, Max: 1,
		shape: "[s ~[s *4]]"},
	{Key: kmsg.AlterShareGroupOffsets, Name: "AlterShareGroupOffsets", Min: 0, Max: 0,
		shape: "s [s [4 8]]"},
	{Key: kmsg.DeleteShareGroupOffsets, Name: "DeleteShareGroupOffsets", Min: 0, Max: 0,
		shape: "s [s]"},
}

// byKey indexes the table, -1 where a key is not in it.
var byKey = indexTable()

func indexTable() []int {
	var index []int
	for i := range table {
		a := &table[i]
		a.Flexible = firstFlexible(a.Key)
		for len(index) <= int(a.Key) {
			index = append(index, -1)
		}
		index[a.Key] = i
	}
	return index
}

func firstFlexible(key kmsg.Key) int16 {
	req := key.Request()
	for v := range req.MaxVersion() + 1 {
		req.SetVersion(v)
		if req.IsFlexible() {
			return v
		}
	}
	return req.MaxVersion() + 1
}

// All returns the table, sorted by key.
func All() []API { return slices.Clone(table) }

// Lookup returns the line of a key.
func Lookup(key int16) (API, bool) {
	if a := lookup(key); a != nil {
		return *a, true
	}
	return API{}, false
}

func lookup(key int16) *API {
	if key < 0 || int(key) >= len(byKey) || byKey[key] < 0 {
		return nil
	}
	return &table[byKey[key]]
}

// Supports tells whether the version is one of those served.
func (a API) Supports(version int16) bool { return version >= a.Min && version <= a.Max }

// FlexibleRequest tells whether a request of this version has header version
// 2, whose client id is followed by tagged fields, and a compact body.
func (a API) FlexibleRequest(version int16) bool { return version >= a.Flexible }

// FlexibleResponseHeader tells whether the response's header ends in tagged
// fields. That of ApiVersions never does: its client may not know the version.
func (a API) FlexibleResponseHeader(version int16) bool {
	return a.Key != kmsg.ApiVersions && version >= a.Flexible
}

func (a API) String() string { return fmt.Sprintf("%s(%d) %d-%d", a.Name, a.Key, a.Min, a.Max) }
