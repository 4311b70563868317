package broker

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/quota"
	"leat.dev/internal/broker/transport"
	"leat.dev/internal/metadata"
)

// This file is about quotas: what they are comes out of the metadata, what was used of them goes to b.security.quotas,
// and a client that used too much is answered with throttle_time_ms and then muted for that time (KIP-219).

// quotasChanged follows the metadata.
func (b *Broker) quotasChanged(prev, next *metadata.Image) {
	if !next.QuotasChanged(prev) {
		return
	}
	var tables [quota.Kinds]*quota.Table
	var ips transport.IPRates
	for q := range next.Quotas() {
		if ip := q.Entity.Part(metadata.QuotaIP); ip != nil {
			b.addIPRate(&ips, ip.Name, q.Values[metadata.ConnectionCreationRate])
			continue
		}
		e := quotaEntity(q.Entity)
		for key, limit := range q.Values {
			kind, ok := quota.KindOf(key)
			if !ok {
				continue
			}
			if tables[kind] == nil {
				tables[kind] = quota.NewTable()
			}
			tables[kind].Set(e, limit)
		}
	}
	for kind, t := range tables {
		b.security.quotas.SetLimits(quota.Kind(kind), t)
	}
	b.security.ips.set(ips)
}

// ipRates brings the rates of addresses to the server, which starts later than the metadata.
type ipRates struct {
	mu     sync.Mutex
	server *transport.Server
	rates  transport.IPRates
}

func (r *ipRates) set(rates transport.IPRates) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rates = rates; r.server != nil {
		r.server.SetIPRates(rates)
	}
}

func (r *ipRates) start(s *transport.Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = s
	s.SetIPRates(r.rates)
}

func quotaEntity(e metadata.QuotaEntity) quota.Entity {
	var out quota.Entity
	if p := e.Part(metadata.QuotaUser); p != nil {
		out.HasUser, out.User = true, p.Name
	}
	if p := e.Part(metadata.QuotaClientID); p != nil {
		out.HasClient, out.Client = true, p.Name
	}
	return out
}

func (b *Broker) addIPRate(r *transport.IPRates, name *string, rate float64) {
	if name == nil {
		r.Default = rate
		return
	}
	ip, err := metadata.ParseQuotaIP(*name)
	if err != nil { // from a log that another program wrote
		b.log.Warn("a quota for a name instead of an address has no effect", "ip", *name)
		return
	}
	if r.Of == nil {
		r.Of = map[netip.Addr]float64{}
	}
	r.Of[ip] = rate
}

// quotaUser is the name that quotas know the client of a connection by.
func quotaUser(a *connAuth) string {
	if who := a.who.Load(); who != nil {
		return strings.TrimPrefix(who.Principal, "User:")
	}
	return "ANONYMOUS"
}

// throttles tells whether quotas of a kind hold for a connection. Without any it costs a load of a pointer.
func (b *Broker) throttles(kind quota.Kind, c *transport.Conn) bool {
	return b.security.quotas.Active(kind) && !c.Auth.(*connAuth).listener.trusted
}

// use records what a request used, and tells how long its client has to wait.
func (b *Broker) use(kind quota.Kind, c *transport.Call, amount float64) time.Duration {
	return b.security.quotas.Record(kind, quotaUser(c.Conn.Auth.(*connAuth)), c.ClientID, amount, b.clock.Now())
}

// unlimitedRequests do not count against the quota on request time: what brokers say to each other, and logging in,
// which has to come first.
var unlimitedRequests = map[kmsg.Key]bool{
	kmsg.SASLHandshake: true, kmsg.SASLAuthenticate: true, kmsg.WriteTxnMarkers: true,
	kmsg.Vote: true, kmsg.BeginQuorumEpoch: true, kmsg.EndQuorumEpoch: true, kmsg.FetchSnapshot: true,
	kmsg.AlterPartition: true, kmsg.Envelope: true, kmsg.BrokerRegistration: true, kmsg.BrokerHeartbeat: true,
	kmsg.AllocateProducerIDs: true, kmsg.ControllerRegistration: true, kmsg.AssignReplicasToDirs: true,
}

// computed are the APIs that are answered on the spot. The others wait for a coordinator, the controller or the disk,
// which is no use of a thread: of them only decoding and encoding count.
var computed = map[kmsg.Key]bool{
	kmsg.Metadata: true, kmsg.ListOffsets: true, kmsg.ApiVersions: true, kmsg.OffsetForLeaderEpoch: true,
	kmsg.FindCoordinator: true, kmsg.DescribeConfigs: true, kmsg.DescribeLogDirs: true, kmsg.DescribeProducers: true,
	kmsg.DescribeCluster: true, kmsg.ListConfigResources: true, kmsg.DescribeTopicPartitions: true,
	kmsg.DescribeClientQuotas: true, kmsg.DescribeACLs: true, kmsg.DescribeUserSCRAMCredentials: true,
	kmsg.DescribeDelegationToken: true, kmsg.DescribeQuorum: true, kmsg.ListPartitionReassignments: true,
}

// stopwatch measures what a request takes of a thread. Its zero value measures nothing.
type stopwatch struct {
	broker *Broker
	began  time.Time
	paused time.Time     // zero while it runs
	idle   time.Duration // spent waiting
}

// watch begins to measure a request, if anybody wants to know.
func (b *Broker) watch(c *transport.Call) stopwatch {
	if !b.throttles(quota.Request, c.Conn) || unlimitedRequests[kmsg.Key(c.Key)] {
		return stopwatch{}
	}
	return stopwatch{broker: b, began: b.clock.Now()}
}

// pause begins a time that does not count, and resume ends it.
func (w *stopwatch) pause() {
	if w.broker != nil {
		w.paused = w.broker.clock.Now()
	}
}

func (w *stopwatch) resume() {
	if w.broker != nil {
		w.idle += w.broker.clock.Now().Sub(w.paused)
		w.paused = time.Time{}
	}
}

// charge records the time of a request, as a percentage of a thread's, and tells how long its client has to wait.
func (w *stopwatch) charge(c *transport.Call) time.Duration {
	if w.broker == nil {
		return 0
	}
	return w.broker.use(quota.Request, c, max(0, w.broker.clock.Now().Sub(w.began)-w.idle).Seconds()*100)
}

// slowDown ends a request of the table: its response says for how long the client is muted.
func (r *Request) slowDown(resp kmsg.Response) {
	wait := max(r.watch.charge(r.call), r.mutations.Wait())
	if wait <= 0 {
		return
	}
	if t, ok := resp.(kmsg.SetThrottleResponse); ok {
		t.SetThrottle(int32(wait.Milliseconds()))
	}
	r.call.Conn.Mute(wait)
}

// mutating says that a request changes topics. From the version strict on it can be refused because of the quota on
// changes of the metadata, before it only slows its client down (KIP-599).
func (b *Broker) mutating(r *Request, strict int16) func(partitions int) bool {
	if b.throttles(quota.Mutation, r.call.Conn) {
		r.mutations = b.security.quotas.Mutations(quotaUser(r.auth), r.ClientID, r.Version >= strict, b.clock.Now)
	}
	return r.mutations.Take
}
