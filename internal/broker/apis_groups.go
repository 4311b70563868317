package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// groupAPIs are the APIs of the group coordinator: groups and their offsets.
var groupAPIs = []api{
	{key: kmsg.OffsetCommit, min: 2, max: 10, handle: typed((*Broker).handleOffsetCommit)},
	{key: kmsg.OffsetFetch, min: 1, max: 10, handle: typed((*Broker).handleOffsetFetch)},
	{key: kmsg.FindCoordinator, min: 0, max: 6, handle: typed((*Broker).handleFindCoordinator)},
	{key: kmsg.JoinGroup, min: 0, max: 9, handle: typed((*Broker).handleJoinGroup)},
	{key: kmsg.Heartbeat, min: 0, max: 4, handle: typed((*Broker).handleHeartbeat)},
	{key: kmsg.LeaveGroup, min: 0, max: 5, handle: typed((*Broker).handleLeaveGroup)},
	{key: kmsg.SyncGroup, min: 0, max: 5, handle: typed((*Broker).handleSyncGroup)},
	{key: kmsg.DescribeGroups, min: 0, max: 6, handle: typed((*Broker).handleDescribeGroups)},
	{key: kmsg.ListGroups, min: 0, max: 5, handle: typed((*Broker).handleListGroups)},
	{key: kmsg.DeleteGroups, min: 0, max: 2, handle: typed((*Broker).handleDeleteGroups)},
	{key: kmsg.ConsumerGroupHeartbeat, min: 0, max: 1, handle: typed((*Broker).handleConsumerGroupHeartbeat)},
	{key: kmsg.ConsumerGroupDescribe, min: 0, max: 1, handle: typed((*Broker).handleConsumerGroupDescribe)},
	{key: kmsg.ShareGroupHeartbeat, min: 1, max: 1, handle: typed((*Broker).handleShareGroupHeartbeat)},
	{key: kmsg.ShareGroupDescribe, min: 1, max: 1, handle: typed((*Broker).handleShareGroupDescribe)},
	{key: kmsg.DescribeShareGroupOffsets, min: 0, max: 1, handle: typed((*Broker).handleDescribeShareGroupOffsets)},
	{key: kmsg.AlterShareGroupOffsets, min: 0, max: 0, handle: typed((*Broker).handleAlterShareGroupOffsets)},
	{key: kmsg.DeleteShareGroupOffsets, min: 0, max: 0, handle: typed((*Broker).handleDeleteShareGroupOffsets)},
	{key: kmsg.StreamsGroupHeartbeat, min: 0, max: 0, handle: typed((*Broker).handleStreamsGroupHeartbeat)},
	{key: kmsg.StreamsGroupDescribe, min: 0, max: 0, handle: typed((*Broker).handleStreamsGroupDescribe)},
	{key: kmsg.OffsetDelete, min: 0, max: 0, handle: typed((*Broker).handleOffsetDelete)},
}
