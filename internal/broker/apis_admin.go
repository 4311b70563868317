package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// adminAPIs are the APIs for those who look after the cluster: features, leaders, places of partitions, the quorum.
var adminAPIs = []api{
	{key: kmsg.AlterReplicaLogDirs, min: 1, max: 2, handle: typed((*Broker).handleAlterReplicaLogDirs)},
	{key: kmsg.ElectLeaders, min: 0, max: 2, handle: typed((*Broker).handleElectLeaders)},
	{key: kmsg.AlterPartitionAssignments, min: 0, max: 1, handle: typed((*Broker).handleAlterPartitionAssignments)},
	{key: kmsg.ListPartitionReassignments, min: 0, max: 0, handle: typed((*Broker).handleListPartitionReassignments)},
	{key: kmsg.DescribeQuorum, min: 0, max: 2, handle: typed((*Broker).handleDescribeQuorum)},
	{key: kmsg.UpdateFeatures, min: 0, max: 2, handle: typed((*Broker).handleUpdateFeatures)},
	{key: kmsg.UnregisterBroker, min: 0, max: 0, handle: typed((*Broker).handleUnregisterBroker)},
	{key: kmsg.AddRaftVoter, min: 0, max: 1, handle: typed((*Broker).handleAddRaftVoter)},
	{key: kmsg.RemoveRaftVoter, min: 0, max: 0, handle: typed((*Broker).handleRemoveRaftVoter)},
}
