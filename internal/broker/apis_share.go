package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// shareAPIs are the APIs of the share coordinator, and those that deliver records to share groups.
var shareAPIs = []api{
	{key: kmsg.ShareFetch, min: 1, max: 2}, // on a path of its own, see Broker.Serve
	{key: kmsg.ShareAcknowledge, min: 1, max: 2, handle: typed((*Broker).handleShareAcknowledge)},
	{key: kmsg.InitializeShareGroupState, min: 0, max: 0, handle: typed((*Broker).handleInitializeShareGroupState)},
	{key: kmsg.ReadShareGroupState, min: 0, max: 0, handle: typed((*Broker).handleReadShareGroupState)},
	{key: kmsg.WriteShareGroupState, min: 0, max: 1, handle: typed((*Broker).handleWriteShareGroupState)},
	{key: kmsg.DeleteShareGroupState, min: 0, max: 0, handle: typed((*Broker).handleDeleteShareGroupState)},
	{key: kmsg.ReadShareGroupStateSummary, min: 0, max: 1, handle: typed((*Broker).handleReadShareGroupStateSummary)},
}
