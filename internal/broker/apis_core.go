package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// coreAPIs are the APIs of the log itself: produce, fetch, offsets, log directories, and ApiVersions. Those without a
// handler have a path of their own, see Broker.Serve.
var coreAPIs = []api{
	{key: kmsg.Produce, min: 0, max: 13},
	{key: kmsg.Fetch, min: 4, max: 18},
	{key: kmsg.ListOffsets, min: 1, max: 11, handle: typed((*Broker).handleListOffsets)},
	{key: kmsg.ApiVersions, min: 0, max: 4},
	{key: kmsg.DeleteRecords, min: 0, max: 2, handle: typed((*Broker).handleDeleteRecords)},
	{key: kmsg.OffsetForLeaderEpoch, min: 2, max: 4, handle: typed((*Broker).handleOffsetForLeaderEpoch)},
	{key: kmsg.DescribeLogDirs, min: 1, max: 5, handle: typed((*Broker).handleDescribeLogDirs)},
	{key: kmsg.DescribeProducers, min: 0, max: 0, handle: typed((*Broker).handleDescribeProducers)},
}
