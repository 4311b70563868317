package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// transactionAPIs are the APIs of the transaction coordinator and of those who look after transactions.
var transactionAPIs = []api{
	{key: kmsg.InitProducerID, min: 0, max: 5, handle: typed((*Broker).handleInitProducerID)},
	{key: kmsg.AddPartitionsToTxn, min: 0, max: 5, handle: typed((*Broker).handleAddPartitionsToTxn)},
	{key: kmsg.AddOffsetsToTxn, min: 0, max: 4, handle: typed((*Broker).handleAddOffsetsToTxn)},
	{key: kmsg.EndTxn, min: 0, max: 5, handle: typed((*Broker).handleEndTxn)},
	{key: kmsg.WriteTxnMarkers, min: 1, max: 2, handle: typed((*Broker).handleWriteTxnMarkers)},
	{key: kmsg.TxnOffsetCommit, min: 0, max: 5, handle: typed((*Broker).handleTxnOffsetCommit)},
	{key: kmsg.DescribeTransactions, min: 0, max: 0, handle: typed((*Broker).handleDescribeTransactions)},
	{key: kmsg.ListTransactions, min: 0, max: 2, handle: typed((*Broker).handleListTransactions)},
}
