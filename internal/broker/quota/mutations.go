package quota

import (
	"math"
	"time"
)

// bucketIdle is after how long an unused bucket is forgotten, as in Kafka. It may be far below zero and fill slowly, so the
// window says nothing about it.
const bucketIdle = time.Hour

// Mutations is what one request may change of the metadata (KIP-599). A nil one allows everything. One goroutine
// takes, another may ask for the wait.
type Mutations struct {
	keeper  *Keeper
	account Account
	limit   float64
	strict  bool
	now     func() time.Time

	wait int64     // milliseconds
	at   time.Time // when wait was found out
}

// Mutations begins a request of a client; nil if it has no limit. With strict, which is for requests whose version knows
// the error, changes are refused while the bucket is below zero; otherwise they are made and the client waits.
func (k *Keeper) Mutations(user, client string, strict bool, now func() time.Time) *Mutations {
	t := k.ledgers[Mutation].limits.Load()
	if t == nil {
		return nil
	}
	account, limit := t.Find(user, client)
	if limit <= 0 || math.IsInf(limit, 1) {
		return nil
	}
	return &Mutations{keeper: k, account: account, limit: limit, strict: strict, now: now}
}

// Take asks for the change of n partitions, and tells whether it may be made.
func (m *Mutations) Take(n int) bool {
	if m == nil {
		return true
	}
	l, w := &m.keeper.ledgers[Mutation], m.keeper.mutation
	now := m.now()
	ms := now.UnixMilli()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets.Get(m.account, ms, bucketIdle.Milliseconds())
	if !m.strict {
		b.Take(w, m.limit, float64(n), ms)
		if wait := b.Throttle(w, m.limit, ms); wait > 0 {
			m.wait, m.at = wait, now
		}
		return true
	}
	if wait := b.Throttle(w, m.limit, ms); wait > 0 {
		m.wait, m.at = wait, now
		return false
	}
	b.Take(w, m.limit, float64(n), ms)
	return true
}

// Wait is how long the client has to wait after the answer.
func (m *Mutations) Wait() time.Duration {
	if m == nil {
		return 0
	}
	l := &m.keeper.ledgers[Mutation]
	l.mu.Lock()
	defer l.mu.Unlock() // a request that ran out of time may still be at it
	left := m.wait - m.now().Sub(m.at).Milliseconds()
	return l.throttle(max(left, 0))
}
