package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// securityAPIs are the APIs about who clients are and what they may do.
var securityAPIs = []api{
	{key: kmsg.SASLHandshake, min: 0, max: 1, handle: typed((*Broker).handleSASLHandshake)},
	{key: kmsg.SASLAuthenticate, min: 0, max: 2, handle: typed((*Broker).handleSASLAuthenticate)},
	{key: kmsg.DescribeACLs, min: 1, max: 3, handle: typed((*Broker).handleDescribeACLs)},
	{key: kmsg.CreateACLs, min: 1, max: 3, handle: typed((*Broker).handleCreateACLs)},
	{key: kmsg.DeleteACLs, min: 1, max: 3, handle: typed((*Broker).handleDeleteACLs)},
	{key: kmsg.CreateDelegationToken, min: 1, max: 3, handle: typed((*Broker).handleCreateDelegationToken)},
	{key: kmsg.RenewDelegationToken, min: 1, max: 2, handle: typed((*Broker).handleRenewDelegationToken)},
	{key: kmsg.ExpireDelegationToken, min: 1, max: 2, handle: typed((*Broker).handleExpireDelegationToken)},
	{key: kmsg.DescribeDelegationToken, min: 1, max: 3, handle: typed((*Broker).handleDescribeDelegationToken)},
	{key: kmsg.DescribeUserSCRAMCredentials, min: 0, max: 0, handle: typed((*Broker).handleDescribeUserSCRAMCredentials)},
	{key: kmsg.AlterUserSCRAMCredentials, min: 0, max: 0, handle: typed((*Broker).handleAlterUserSCRAMCredentials)},
}
