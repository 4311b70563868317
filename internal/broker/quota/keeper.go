package quota

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what a quota limits.
type Kind int

// The kinds of quotas, and the keys they are set by.
const (
	Produce  Kind = iota // producer_byte_rate, bytes per second
	Fetch                // consumer_byte_rate, bytes per second
	Request              // request_percentage, of the time of one thread
	Mutation             // controller_mutation_rate, partitions created and deleted per second
	kinds
)

// Kinds is the number of kinds; they count from 0.
const Kinds = int(kinds)

var kindKeys = [kinds]string{"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"}
var kindNames = [kinds]string{"produce", "fetch", "request", "controller_mutation"}

// Key is what the quota is called when it is set, String what it is called in metrics.
func (k Kind) Key() string    { return kindKeys[k] }
func (k Kind) String() string { return kindNames[k] }

// KindOf finds a kind by its key.
func KindOf(key string) (Kind, bool) {
	for k := range kinds {
		if kindKeys[k] == key {
			return k, true
		}
	}
	return 0, false
}

// Keeper holds the limits of all kinds and what was used of them. Its methods may be called from many goroutines. While
// a kind has no limits, asking it costs one load of a pointer.
type Keeper struct {
	window   Window // of all kinds but Mutation
	mutation Window
	ledgers  [kinds]ledger
}

type ledger struct {
	limits    atomic.Pointer[Table] // nil: none
	throttled atomic.Int64
	millis    atomic.Int64

	mu      sync.Mutex
	rates   Book[Account, Rate]
	buckets Book[Account, TokenBucket]
}

// NewKeeper returns a keeper without limits. mutation is the window of Mutation (controller.quota.window.*).
func NewKeeper(window, mutation Window) *Keeper { return &Keeper{window: window, mutation: mutation} }

// SetLimits sets the limits of a kind; nil means that there are none.
func (k *Keeper) SetLimits(kind Kind, t *Table) { k.ledgers[kind].limits.Store(t) }

// Active tells whether a kind has any limits.
func (k *Keeper) Active(kind Kind) bool { return k.ledgers[kind].limits.Load() != nil }

// Record counts what a client used and tells how long it has to wait; 0 if it is within its limit or has none. Waits
// for Request are at most one window long, others as long as it takes.
func (k *Keeper) Record(kind Kind, user, client string, amount float64, now time.Time) time.Duration {
	l := &k.ledgers[kind]
	t := l.limits.Load()
	if t == nil {
		return 0
	}
	account, limit := t.Find(user, client)
	if limit <= 0 {
		return 0
	}
	ms := now.UnixMilli()
	l.mu.Lock()
	r := l.rates.Get(account, ms, k.window.full())
	r.Add(k.window, amount, ms)
	wait := r.Throttle(k.window, limit, ms)
	l.mu.Unlock()
	if kind == Request {
		wait = min(wait, k.window.Size.Milliseconds())
	}
	return l.throttle(wait)
}

// throttle counts a wait.
func (l *ledger) throttle(ms int64) time.Duration {
	if ms > 0 {
		l.throttled.Add(1)
		l.millis.Add(ms)
	}
	return time.Duration(ms) * time.Millisecond
}

// Unrecord takes back what was recorded of a fetch whose data is withheld.
func (k *Keeper) Unrecord(kind Kind, user, client string, amount float64, now time.Time) {
	l := &k.ledgers[kind]
	t := l.limits.Load()
	if t == nil {
		return
	}
	account, limit := t.Find(user, client)
	if limit <= 0 {
		return
	}
	ms := now.UnixMilli()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rates.Get(account, ms, k.window.full()).Add(k.window, -amount, ms)
}

// Most is the largest amount that a client can have at once without waiting for more than a window's time, math.MaxInt
// without a limit. A fetch that asks for more is cut to it, for it could never be answered.
func (k *Keeper) Most(kind Kind, user, client string) int {
	t := k.ledgers[kind].limits.Load()
	if t == nil {
		return math.MaxInt
	}
	_, limit := t.Find(user, client)
	most := limit * float64(k.window.Samples-1) * k.window.Size.Seconds()
	if limit <= 0 || most >= math.MaxInt32 {
		return math.MaxInt
	}
	return int(most)
}

// Throttled is how many times clients had to wait because of a kind, and how long altogether.
func (k *Keeper) Throttled(kind Kind) (times int64, total time.Duration) {
	l := &k.ledgers[kind]
	return l.throttled.Load(), time.Duration(l.millis.Load()) * time.Millisecond
}

// Entities is the number of entities whose use of a kind is remembered.
func (k *Keeper) Entities(kind Kind) int {
	l := &k.ledgers[kind]
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rates.Len() + l.buckets.Len()
}
