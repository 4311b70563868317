package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// metadataAPIs are the APIs over the cluster's metadata: topics, configs, the cluster, producer ids.
var metadataAPIs = []api{
	{key: kmsg.Metadata, min: 0, max: 13, handle: typed((*Broker).handleMetadata)},
	{key: kmsg.CreateTopics, min: 2, max: 7, handle: typed((*Broker).handleCreateTopics)},
	{key: kmsg.DeleteTopics, min: 1, max: 6, handle: typed((*Broker).handleDeleteTopics)},
	{key: kmsg.DescribeConfigs, min: 1, max: 4, handle: typed((*Broker).handleDescribeConfigs)},
	{key: kmsg.AlterConfigs, min: 0, max: 2, handle: typed((*Broker).handleAlterConfigs)},
	{key: kmsg.CreatePartitions, min: 0, max: 3, handle: typed((*Broker).handleCreatePartitions)},
	{key: kmsg.IncrementalAlterConfigs, min: 0, max: 1, handle: typed((*Broker).handleIncrementalAlterConfigs)},
	{key: kmsg.DescribeClientQuotas, min: 0, max: 1, handle: typed((*Broker).handleDescribeClientQuotas)},
	{key: kmsg.AlterClientQuotas, min: 0, max: 1, handle: typed((*Broker).handleAlterClientQuotas)},
	{key: kmsg.DescribeCluster, min: 0, max: 2, handle: typed((*Broker).handleDescribeCluster)},
	{key: kmsg.ListConfigResources, min: 0, max: 1, handle: typed((*Broker).handleListConfigResources)},
	{key: kmsg.DescribeTopicPartitions, min: 0, max: 0, handle: typed((*Broker).handleDescribeTopicPartitions)},
}
