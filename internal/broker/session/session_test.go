package session

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

var start = time.Unix(1_700_000_000, 0)

func key(p int32) Key { return Key{Topic: "t", Partition: p} }

func newSession(t *testing.T, c *Cache, partitions int, at time.Time) *Session {
	t.Helper()
	s := c.New(false, partitions, at)
	if s == nil {
		t.Fatal("no session")
	}
	for p := range partitions {
		s.Set(key(int32(p)), 0, 100, -1, -1)
	}
	c.Done(s)
	return s
}

func order(s *Session) (out []int32) {
	for p := s.First(); p != nil; p = s.Next(p) {
		out = append(out, p.Partition)
	}
	return out
}

func TestResolve(t *testing.T) {
	c := NewCache(10, rand.NewChaCha8([32]byte{1}))
	s := newSession(t, c, 2, start)
	if _, err := c.Resolve(s.ID+1, 1, false, start); err != kerr.FetchSessionIDNotFound {
		t.Errorf("unknown id: %v", err)
	}
	if _, err := c.Resolve(s.ID, 2, false, start); err != kerr.InvalidFetchSessionEpoch {
		t.Errorf("epoch ahead: %v", err)
	}
	if _, err := c.Resolve(s.ID, 1, true, start); err != kerr.FetchSessionTopicIDError {
		t.Errorf("ids instead of names: %v", err)
	}
	got, err := c.Resolve(s.ID, 1, false, start)
	if err != nil || got != s {
		t.Fatalf("epoch 1: %v", err)
	}
	if _, err := c.Resolve(s.ID, 2, false, start); err != kerr.InvalidFetchSessionEpoch {
		t.Errorf("used by two requests at once: %v", err)
	}
	c.Done(s)
	if _, err := c.Resolve(s.ID, 1, false, start); err != kerr.InvalidFetchSessionEpoch {
		t.Errorf("epoch again: %v", err)
	}
	if got, err = c.Resolve(s.ID, 2, false, start); err != nil || got != s {
		t.Errorf("epoch 2: %v", err)
	}
}

func TestEpochWraps(t *testing.T) {
	if e := nextEpoch(math.MaxInt32); e != 1 {
		t.Errorf("after the largest epoch comes %d", e)
	}
}

func TestOrderAndForget(t *testing.T) {
	c := NewCache(10, rand.NewChaCha8([32]byte{1}))
	s := newSession(t, c, 4, start)
	s.First().ToEnd()
	if got := order(s); got[0] != 1 || got[3] != 0 {
		t.Errorf("order %v", got)
	}
	s.Forget(key(2))
	s.Forget(key(77))
	if got := order(s); len(got) != 3 || got[1] != 3 {
		t.Errorf("order %v", got)
	}
	// Setting what is there changes it in place.
	p := s.Set(key(3), 50, 7, 2, 1)
	if p.FetchOffset != 50 || p.MaxBytes != 7 || p.LeaderEpoch != 2 || p.LastFetchedEpoch != 1 || s.Len() != 3 || order(s)[1] != 3 {
		t.Errorf("%+v in %v", p, order(s))
	}
}

func TestNews(t *testing.T) {
	c := NewCache(10, rand.NewChaCha8([32]byte{1}))
	s := newSession(t, c, 1, start)
	p := s.First()
	if !p.News(0, 0) {
		t.Error("a new partition is news")
	}
	p.Sent(5, 1)
	if p.News(5, 1) || !p.News(6, 1) || !p.News(5, 2) {
		t.Error("only changes are news")
	}
	p.SentError()
	if !p.News(5, 1) {
		t.Error("what follows an error is news")
	}
}

func TestEmptiedSessionIsClosed(t *testing.T) {
	c := NewCache(10, rand.NewChaCha8([32]byte{1}))
	s := newSession(t, c, 1, start)
	got, err := c.Resolve(s.ID, 1, false, start)
	if err != nil {
		t.Fatal(err)
	}
	got.Forget(key(0))
	c.Done(got)
	if n, parts, _ := c.Stats(); n != 0 || parts != 0 {
		t.Errorf("%d sessions, %d partitions", n, parts)
	}
}

func TestEviction(t *testing.T) {
	c := NewCache(2, rand.NewChaCha8([32]byte{1}))
	a := newSession(t, c, 3, start)
	b := newSession(t, c, 1, start)
	if c.New(false, 5, start.Add(time.Minute)) != nil {
		t.Error("young sessions were pushed out")
	}
	// Both are old now, but in use: the one that is not larger than the newcomer goes.
	late := start.Add(3 * time.Minute)
	a.lastUsed, b.lastUsed = late, late
	newSession(t, c, 2, late)
	if _, err := c.Resolve(b.ID, 1, false, late); err != kerr.FetchSessionIDNotFound {
		t.Errorf("the small one: %v", err)
	}
	// A session nobody uses goes whatever its size.
	a.lastUsed = start
	newSession(t, c, 1, late)
	if _, err := c.Resolve(a.ID, 1, false, late); err != kerr.FetchSessionIDNotFound {
		t.Errorf("the unused one: %v", err)
	}
	if n, _, evicted := c.Stats(); n != 2 || evicted != 2 {
		t.Errorf("%d sessions, %d evicted", n, evicted)
	}
}

func TestNoSlots(t *testing.T) {
	if NewCache(0, rand.NewChaCha8([32]byte{1})).New(false, 1, start) != nil {
		t.Error("a session without slots")
	}
}
