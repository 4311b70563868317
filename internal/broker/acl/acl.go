// Package acl decides who may do what: the interface of authorizers, and Standard, which keeps Kafka's rules over the
// access control entries of the cluster's metadata.
//
// A decision takes a few map lookups: an exact name, the wildcard, and one lookup for each length that a prefix has.
// Standard may be asked from many goroutines while entries come and go; it starts none of its own. Which question each
// API asks is not known here; see authorize*.go in package broker.
package acl

import "net/netip"

// ResourceType, Operation, PatternType and Permission have the protocol's numbers.
type (
	ResourceType int8
	Operation    int8
	PatternType  int8
	Permission   int8
)

// The types of resources.
const (
	Topic           ResourceType = 2
	Group           ResourceType = 3
	Cluster         ResourceType = 4
	TransactionalID ResourceType = 5
	DelegationToken ResourceType = 6
	User            ResourceType = 7

	resourceTypes = 8
)

// The operations.
const (
	All             Operation = 2
	Read            Operation = 3
	Write           Operation = 4
	Create          Operation = 5
	Delete          Operation = 6
	Alter           Operation = 7
	Describe        Operation = 8
	ClusterAction   Operation = 9
	DescribeConfigs Operation = 10
	AlterConfigs    Operation = 11
	IdempotentWrite Operation = 12
	CreateTokens    Operation = 13
	DescribeTokens  Operation = 14
	TwoPhaseCommit  Operation = 15
)

// The types of patterns that entries can have, and their permissions.
const (
	Literal  PatternType = 3
	Prefixed PatternType = 4

	Deny  Permission = 2
	Allow Permission = 3
)

// ClusterName is the one resource of the type Cluster; Wildcard as a literal name stands for all of a type.
const (
	ClusterName = "kafka-cluster"
	Wildcard    = "*"
)

// Client is who wants to do something, and from where.
type Client struct {
	Principal string // "User:alice"
	Host      netip.Addr
}

// Authorizer decides. Its methods are called for every request, from many goroutines.
type Authorizer interface {
	// Authorize tells whether the client may do op to the resource.
	Authorize(c Client, op Operation, typ ResourceType, name string) bool
	// AuthorizeAny tells whether there may be a resource of the type that the client may do op to.
	AuthorizeAny(c Client, op Operation, typ ResourceType) bool
}

var resourceNames = [...]string{Topic: "Topic", Group: "Group", Cluster: "Cluster", TransactionalID: "TransactionalId", DelegationToken: "DelegationToken", User: "User"}

var operationNames = [...]string{
	All: "All", Read: "Read", Write: "Write", Create: "Create", Delete: "Delete", Alter: "Alter", Describe: "Describe",
	ClusterAction: "ClusterAction", DescribeConfigs: "DescribeConfigs", AlterConfigs: "AlterConfigs",
	IdempotentWrite: "IdempotentWrite", CreateTokens: "CreateTokens", DescribeTokens: "DescribeTokens", TwoPhaseCommit: "TwoPhaseCommit",
}

func nameOf(names []string, i int) string {
	if i < 0 || i >= len(names) || names[i] == "" {
		return "Unknown"
	}
	return names[i]
}

func (t ResourceType) String() string { return nameOf(resourceNames[:], int(t)) }
func (o Operation) String() string    { return nameOf(operationNames[:], int(o)) }

// Operations are what can be done to resources of the type.
func (t ResourceType) Operations() []Operation {
	switch t {
	case Topic:
		return []Operation{Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs}
	case Group:
		return []Operation{Read, Describe, Delete, DescribeConfigs, AlterConfigs}
	case Cluster:
		return []Operation{Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe}
	case TransactionalID:
		return []Operation{Describe, Write, TwoPhaseCommit}
	case DelegationToken:
		return []Operation{Describe}
	case User:
		return []Operation{CreateTokens, DescribeTokens}
	}
	return nil
}
