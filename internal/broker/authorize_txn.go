package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
)

// txnRules are those of APIs about producers and transactions.
var txnRules = map[kmsg.Key]rule{
	kmsg.InitProducerID: {"Write TransactionalId; else IdempotentWrite Cluster or Write any Topic", checked(func(g *guard, q *kmsg.InitProducerIDRequest, next func() *kmsg.InitProducerIDResponse) *kmsg.InitProducerIDResponse {
		code := g.initProducer(q)
		if code == nil {
			return next()
		}
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = code.Code, -1, -1
		return resp
	})},
	kmsg.AddPartitionsToTxn: {"Write TransactionalId and Topic; from version 4 ClusterAction Cluster", checked(func(g *guard, q *kmsg.AddPartitionsToTxnRequest, next func() *kmsg.AddPartitionsToTxnResponse) *kmsg.AddPartitionsToTxnResponse {
		if g.r.Version >= 4 {
			if g.cluster(acl.ClusterAction) {
				return next()
			}
			resp := kmsg.NewPtrAddPartitionsToTxnResponse()
			resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return resp
		}
		if !g.may(acl.Write, acl.TransactionalID, q.TransactionalID) {
			return refused(q, kerr.TransactionalIDAuthorizationFailed).(*kmsg.AddPartitionsToTxnResponse)
		}
		may := g.mayNames(acl.Write, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.AddPartitionsToTxnRequestTopic) bool { return may(t.Topic) })
		if len(denied) == 0 {
			return next()
		}
		// All or none: those that would have been fine are not tried.
		resp := kmsg.NewPtrAddPartitionsToTxnResponse()
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		addRefused(&resp.Topics, left, kerr.OperationNotAttempted)
		return resp
	})},
	kmsg.AddOffsetsToTxn: {"Write TransactionalId, Read Group", checked(func(g *guard, q *kmsg.AddOffsetsToTxnRequest, next func() *kmsg.AddOffsetsToTxnResponse) *kmsg.AddOffsetsToTxnResponse {
		switch {
		case !g.may(acl.Write, acl.TransactionalID, q.TransactionalID):
			return refused(q, kerr.TransactionalIDAuthorizationFailed).(*kmsg.AddOffsetsToTxnResponse)
		case !g.may(acl.Read, acl.Group, q.Group):
			return refused(q, kerr.GroupAuthorizationFailed).(*kmsg.AddOffsetsToTxnResponse)
		}
		return next()
	})},
	kmsg.EndTxn: {"Write TransactionalId", checked(func(g *guard, q *kmsg.EndTxnRequest, next func() *kmsg.EndTxnResponse) *kmsg.EndTxnResponse {
		if !g.may(acl.Write, acl.TransactionalID, q.TransactionalID) {
			resp := kmsg.NewPtrEndTxnResponse()
			resp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
			return resp
		}
		return next()
	})},
	kmsg.TxnOffsetCommit: {"Write TransactionalId, Read Group and Topic", checked(func(g *guard, q *kmsg.TxnOffsetCommitRequest, next func() *kmsg.TxnOffsetCommitResponse) *kmsg.TxnOffsetCommitResponse {
		switch {
		case !g.may(acl.Write, acl.TransactionalID, q.TransactionalID):
			return refused(q, kerr.TransactionalIDAuthorizationFailed).(*kmsg.TxnOffsetCommitResponse)
		case !g.may(acl.Read, acl.Group, q.Group):
			return refused(q, kerr.GroupAuthorizationFailed).(*kmsg.TxnOffsetCommitResponse)
		}
		may := g.mayNames(acl.Read, acl.Topic)
		left, denied := split(q.Topics, func(t *kmsg.TxnOffsetCommitRequestTopic) bool { return may(t.Topic) })
		q.Topics = left
		resp := next()
		addRefused(&resp.Topics, denied, kerr.TopicAuthorizationFailed)
		return resp
	})},
	kmsg.WriteTxnMarkers: {"Alter or ClusterAction Cluster", checked(func(g *guard, q *kmsg.WriteTxnMarkersRequest, next func() *kmsg.WriteTxnMarkersResponse) *kmsg.WriteTxnMarkersResponse {
		if g.sees(acl.Alter, acl.Cluster, acl.ClusterName) || g.cluster(acl.ClusterAction) {
			return next()
		}
		return refused(q, kerr.ClusterAuthorizationFailed).(*kmsg.WriteTxnMarkersResponse)
	})},
	kmsg.DescribeTransactions: {"Describe TransactionalId", checked(func(g *guard, q *kmsg.DescribeTransactionsRequest, next func() *kmsg.DescribeTransactionsResponse) *kmsg.DescribeTransactionsResponse {
		may := g.mayNames(acl.Describe, acl.TransactionalID)
		left, denied := split(q.TransactionalIDs, func(id *string) bool { return may(*id) })
		q.TransactionalIDs = left
		resp := next()
		for _, id := range denied {
			s := kmsg.NewDescribeTransactionsResponseTransactionState()
			s.TransactionalID, s.ErrorCode = id, kerr.TransactionalIDAuthorizationFailed.Code
			resp.TransactionStates = append(resp.TransactionStates, s)
		}
		// Topics that the client may not describe are left out of what is shown.
		for i := range resp.TransactionStates {
			s := &resp.TransactionStates[i]
			s.Topics = shown(s.Topics, func(t *kmsg.DescribeTransactionsResponseTransactionStateTopic) bool {
				return g.b.visible(g.r, t.Topic)
			})
		}
		return resp
	})},
	kmsg.ListTransactions: {"Describe TransactionalId for each", checked(func(g *guard, _ *kmsg.ListTransactionsRequest, next func() *kmsg.ListTransactionsResponse) *kmsg.ListTransactionsResponse {
		resp := next()
		resp.TransactionStates = shown(resp.TransactionStates, func(s *kmsg.ListTransactionsResponseTransactionState) bool {
			return g.sees(acl.Describe, acl.TransactionalID, s.TransactionalID)
		})
		return resp
	})},
}

func (g *guard) initProducer(q *kmsg.InitProducerIDRequest) *kerr.Error {
	if q.TransactionalID != nil {
		if !g.may(acl.Write, acl.TransactionalID, *q.TransactionalID) {
			return kerr.TransactionalIDAuthorizationFailed
		}
		return nil
	}
	client := acl.Client{Principal: g.r.Principal, Host: g.r.RemoteAddr.Addr()}
	if g.b.security.authorizer.AuthorizeAny(client, acl.Write, acl.Topic) || g.cluster(acl.IdempotentWrite) {
		return nil
	}
	return kerr.ClusterAuthorizationFailed
}
