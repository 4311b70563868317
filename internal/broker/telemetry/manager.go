package telemetry

import (
	"container/list"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/wire/compress"
)

const (
	// InstancesMax bounds the clients that are remembered, as in Kafka.
	InstancesMax = 16384
	// minExpiry is how long a silent client is remembered at least; else it is three intervals.
	minExpiry = time.Minute
	// sweepInterval is how often silent clients are looked for.
	sweepInterval = time.Minute
	// defaultInterval is the push interval of a client that no subscription matches.
	defaultInterval = 300 * time.Second
)

// AcceptedCompression are the codecs that a push may use, the preferred one first: zstd, lz4, gzip, snappy. None is
// accepted too.
var AcceptedCompression = []int8{4, 3, 1, 2}

// Client is what the broker knows of a client besides its instance id.
type Client struct {
	ID              string // client.id
	SoftwareName    string
	SoftwareVersion string
	Address         string // "192.0.2.1"
	Port            uint16
}

// Subscription is what a client is told to push.
type Subscription struct {
	ID       int32
	Metrics  []string // prefixes of names, in order; one AllMetrics for all; empty for none
	Interval time.Duration
}

// Push is what a client pushed.
type Push struct {
	Instance       [16]byte
	SubscriptionID int32
	Terminating    bool
	Compression    int8
	Metrics        []byte // OTLP MetricsData, compressed
}

// Options of a Manager.
type Options struct {
	Clock clock.Clock
	// MaxBytes is telemetry.max.bytes, the largest Push.Metrics.
	MaxBytes int
	// NewID makes a random id for a client that has none yet.
	NewID func() [16]byte
}

// Manager holds the subscriptions and the clients.
type Manager struct {
	o Options

	mu            sync.Mutex
	subscriptions map[string]config.MetricsSubscription
	version       int // of subscriptions
	instances     map[[16]byte]*instance
	recent        *list.List // of *instance, the one heard of last in front
	swept         time.Time
	series        int // of all instances
	stats         Stats

	// decoding is held while a push is decoded: one at a time bounds memory and processor time.
	decoding     sync.Mutex
	decompressor compress.Decompressor
}

// Stats are counters for the broker's own metrics.
type Stats struct {
	Instances, Series                             int
	Pushes, Throttled, UnknownSubscription, Wrong int64 // Wrong: too large, not decodable
	SeriesDropped                                 int64 // beyond the bounds
}

// instance is one client, as long as it is heard of.
type instance struct {
	id           [16]byte
	client       Client
	subscription Subscription
	version      int // of the subscriptions it was worked out from
	lastGet      time.Time
	lastPush     time.Time
	lastError    *kerr.Error
	terminating  bool
	heard        time.Time
	place        *list.Element
	labels       string // of each series, as Prometheus writes them
	series       map[string]*sample
}

// New returns a Manager without subscriptions.
func New(o Options) *Manager {
	return &Manager{
		o: o, subscriptions: map[string]config.MetricsSubscription{}, instances: map[[16]byte]*instance{}, recent: list.New(),
		swept: o.Clock.Now(),
	}
}

// SetSubscription takes the settings of a subscription; none end it. Settings that cannot be read count as none: the
// controller lets no such in.
func (m *Manager) SetSubscription(name string, settings map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.version++
	s, err := config.ParseMetricsSubscription(settings)
	if err != nil || len(settings) == 0 {
		delete(m.subscriptions, name)
		return
	}
	m.subscriptions[name] = s
}

// Subscription answers GetTelemetrySubscriptions. A zero id gets a new one. The error is THROTTLING_QUOTA_EXCEEDED for
// a client that asks again within the interval, although nothing has changed.
func (m *Manager) Subscription(c Client, id [16]byte) ([16]byte, Subscription, *kerr.Error) {
	if id == ([16]byte{}) {
		id = m.o.NewID()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Clock.Now()
	i := m.instance(c, id, now)
	if now.Sub(later(i.lastGet, i.lastPush)) >= i.subscription.Interval {
		i.lastGet = now
	} else if i.lastError != kerr.UnknownSubscriptionID && i.lastError != kerr.UnsupportedCompressionType {
		m.stats.Throttled++
		return id, Subscription{}, kerr.ThrottlingQuotaExceeded
	}
	i.lastError = nil
	return id, i.subscription, nil
}

// Push takes metrics. Errors: INVALID_REQUEST for an id that cannot be, or after the push that was to be the last;
// THROTTLING_QUOTA_EXCEEDED before the interval has passed; UNKNOWN_SUBSCRIPTION_ID, so that the client asks for its
// subscription again; UNSUPPORTED_COMPRESSION_TYPE; TELEMETRY_TOO_LARGE; INVALID_RECORD for what cannot be decoded.
func (m *Manager) Push(c Client, p Push) *kerr.Error {
	if reserved(p.Instance) {
		return kerr.InvalidRequest
	}
	wanted, err := m.begin(c, &p)
	if err != nil || len(p.Metrics) == 0 {
		return err
	}
	points, err := m.decode(p.Compression, p.Metrics, wanted)
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.instances[p.Instance]
	if i == nil {
		return err // it had to make room in the meantime
	}
	if i.lastError = err; err != nil {
		m.stats.Wrong++
		return err
	}
	m.stats.Pushes++
	m.keep(i, points)
	return nil
}

// reserved: the ids 0 and 1 mean something else in Kafka.
func reserved(id [16]byte) bool {
	return id == [16]byte{} || id == [16]byte{15: 1}
}

// begin checks a push by what is known of the client, and says what of it is wanted.
func (m *Manager) begin(c Client, p *Push) (wanted []string, err *kerr.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Clock.Now()
	i := m.instance(c, p.Instance, now)
	ended := i.terminating
	i.terminating = p.Terminating
	err = m.check(i, p, ended, now)
	i.lastError = err
	return i.subscription.Metrics, err
}

func (m *Manager) check(i *instance, p *Push, ended bool, now time.Time) *kerr.Error {
	if ended {
		return kerr.InvalidRequest
	}
	// Clients spread their pushes over half to one and a half intervals after they got their subscription: the first one
	// after that is always in order.
	if i.lastGet.After(i.lastPush) || now.Sub(i.lastPush) >= i.subscription.Interval {
		i.lastPush = now
	} else if !p.Terminating {
		m.stats.Throttled++
		return kerr.ThrottlingQuotaExceeded
	}
	switch {
	case p.SubscriptionID != i.subscription.ID:
		m.stats.UnknownSubscription++
		return kerr.UnknownSubscriptionID
	case p.Compression != 0 && !slices.Contains(AcceptedCompression, p.Compression):
		return kerr.UnsupportedCompressionType
	case len(p.Metrics) > m.o.MaxBytes:
		m.stats.Wrong++
		return kerr.TelemetryTooLarge
	}
	return nil
}

// instance finds or makes the client's entry. One that was made from older subscriptions begins anew.
func (m *Manager) instance(c Client, id [16]byte, now time.Time) *instance {
	if now.Sub(m.swept) >= sweepInterval {
		m.sweep(now)
	}
	i := m.instances[id]
	if i != nil && now.Sub(i.heard) >= i.expiry() {
		m.forget(i)
		i = nil
	}
	switch {
	case i == nil:
		if len(m.instances) >= InstancesMax {
			m.forget(m.recent.Back().Value.(*instance))
		}
		i = &instance{id: id, client: c, series: map[string]*sample{}, labels: clientLabels(c, id)}
		i.place = m.recent.PushFront(i)
		m.instances[id] = i
		m.subscribe(i)
	case i.version != m.version:
		i.lastGet, i.lastPush, i.lastError, i.terminating = time.Time{}, time.Time{}, nil, false
		m.subscribe(i)
	}
	i.heard = now
	m.recent.MoveToFront(i.place)
	return i
}

// subscribe works out what a client is to push.
func (m *Manager) subscribe(i *instance) {
	i.version = m.version
	s := Subscription{Interval: defaultInterval}
	wanted := map[string]bool{}
	for _, sub := range m.subscriptions {
		if !i.matches(sub) {
			continue
		}
		s.Interval = min(s.Interval, sub.Interval)
		for _, name := range sub.Metrics {
			wanted[name] = true
		}
	}
	s.Metrics = slices.Sorted(maps.Keys(wanted))
	if wanted[config.AllMetrics] {
		s.Metrics = []string{config.AllMetrics}
	}
	s.ID = subscriptionID(s.Metrics, s.Interval, i.id)
	i.subscription = s
}

// subscriptionID follows from what the subscription says, and from the client: clients ask for their subscription again
// when it is another. It is made as in Kafka, besides the order of several metrics.
func subscriptionID(metrics []string, interval time.Duration, id [16]byte) int32 {
	text := "[" + strings.Join(metrics, ", ") + "]" + strconv.FormatInt(interval.Milliseconds(), 10)
	sum := crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
	folded := binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
	return int32(sum ^ uint32(folded>>32) ^ uint32(folded))
}

func (i *instance) matches(s config.MetricsSubscription) bool {
	for selector, pattern := range s.Match {
		if !pattern.MatchString(i.attribute(selector)) {
			return false
		}
	}
	return true
}

func (i *instance) attribute(selector string) string {
	switch selector {
	case config.ClientInstanceID:
		return formatID(i.id)
	case config.ClientID:
		return i.client.ID
	case config.ClientSoftwareName:
		return i.client.SoftwareName
	case config.ClientSoftwareVersion:
		return i.client.SoftwareVersion
	case config.ClientSourceAddress:
		return i.client.Address
	}
	return strconv.Itoa(int(i.client.Port))
}

func formatID(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func (i *instance) expiry() time.Duration { return max(minExpiry, 3*i.subscription.Interval) }

// sweep forgets clients that were silent for long.
func (m *Manager) sweep(now time.Time) {
	m.swept = now
	for _, i := range m.instances {
		if now.Sub(i.heard) >= i.expiry() {
			m.forget(i)
		}
	}
}

func (m *Manager) forget(i *instance) {
	m.series -= len(i.series)
	delete(m.instances, i.id)
	m.recent.Remove(i.place)
}

// Stats returns the counters.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Instances, s.Series = len(m.instances), m.series
	return s
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
