package quota

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var testWindow = Window{Samples: 11, Size: time.Second}

func limits(set map[Entity]float64) *Table {
	t := NewTable()
	for e, l := range set {
		t.Set(e, l)
	}
	return t
}

// TestPrecedence compares with the list of KIP-55, tried from the top.
func TestPrecedence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []*string{nil, new("a"), new("b")}
		var all []Entity
		for _, user := range names {
			all = append(all, Entity{HasUser: true, User: user}, Entity{HasClient: true, Client: user})
			for _, client := range names {
				all = append(all, Entity{true, true, user, client})
			}
		}
		key := func(e Entity) string {
			text := func(has bool, s *string) string {
				switch {
				case !has:
					return "-"
				case s == nil:
					return "*"
				}
				return *s
			}
			return text(e.HasUser, e.User) + "/" + text(e.HasClient, e.Client)
		}
		table, set := NewTable(), map[string]float64{}
		for i, e := range all {
			if rapid.Bool().Draw(t, key(e)) {
				set[key(e)] = float64(i + 1)
				table.Set(e, float64(i+1))
			}
		}
		for _, user := range []string{"a", "b", "c"} {
			for _, client := range []string{"a", "b", ""} {
				want, account := 0.0, Account{}
				both := Account{true, true, user, client}
				for _, level := range []struct {
					key     string
					account Account
				}{
					{user + "/" + client, both}, {user + "/*", both}, {user + "/-", Account{ByUser: true, User: user}},
					{"*/" + client, both}, {"*/*", both}, {"*/-", Account{ByUser: true, User: user}},
					{"-/" + client, Account{ByClient: true, Client: client}}, {"-/*", Account{ByClient: true, Client: client}},
				} {
					if l := set[level.key]; l > 0 {
						want, account = l, level.account
						break
					}
				}
				if a, l := table.Find(user, client); l != want || a != account {
					t.Fatalf("%s/%s: %v %v, want %v %v", user, client, a, l, account, want)
				}
			}
		}
	})
}

func TestKeeper(t *testing.T) {
	k := NewKeeper(testWindow, testWindow)
	now := time.UnixMilli(1_000_000)
	if k.Active(Produce) || k.Record(Produce, "u", "c", 1e9, now) != 0 || k.Most(Fetch, "u", "c") != math.MaxInt {
		t.Fatal("limits without limits")
	}
	k.SetLimits(Produce, limits(map[Entity]float64{{HasUser: true, User: new("u")}: 1000}))
	// All client ids of the user share one account, others have none.
	if w := k.Record(Produce, "u", "c1", 10_000, now); w != 0 {
		t.Fatal(w)
	}
	if w := k.Record(Produce, "u", "c2", 1000, now); w != time.Second {
		t.Fatal(w)
	}
	if w := k.Record(Produce, "v", "c2", 1e9, now); w != 0 {
		t.Fatal(w)
	}
	if n, total := k.Throttled(Produce); n != 1 || total != time.Second || k.Entities(Produce) != 1 {
		t.Fatal(n, total, k.Entities(Produce))
	}
	k.SetLimits(Fetch, limits(map[Entity]float64{{HasClient: true}: 500}))
	if m := k.Most(Fetch, "u", "c"); m != 5000 {
		t.Fatal(m)
	}
	if w := k.Record(Fetch, "u", "c", 6000, now); w == 0 {
		t.Fatal("not throttled")
	}
	k.Unrecord(Fetch, "u", "c", 6000, now)
	if w := k.Record(Fetch, "u", "c", 5000, now); w != 0 {
		t.Fatal(w)
	}
	// Request time makes nobody wait for longer than a window.
	k.SetLimits(Request, limits(map[Entity]float64{{HasUser: true}: 1}))
	if w := k.Record(Request, "u", "c", 1e6, now); w != time.Second {
		t.Fatal(w)
	}
}

// TestMutations: a strict request is refused while the bucket is below zero, but may draw it there; others wait.
func TestMutations(t *testing.T) {
	k := NewKeeper(testWindow, Window{Samples: 2, Size: time.Second})
	now := time.UnixMilli(1_000_000)
	clock := func() time.Time { return now }
	if m := k.Mutations("u", "c", true, clock); m != nil || !m.Take(1e6) || m.Wait() != 0 {
		t.Fatal("limit without limit")
	}
	k.SetLimits(Mutation, limits(map[Entity]float64{{HasUser: true}: 5}))
	m := k.Mutations("u", "c", true, clock)
	if !m.Take(12) || m.Wait() != 0 { // 10 are in it
		t.Fatal("the first is free")
	}
	if m.Take(1) || m.Wait() != 400*time.Millisecond {
		t.Fatal(m.Wait())
	}
	now = now.Add(100 * time.Millisecond)
	if m.Wait() != 300*time.Millisecond {
		t.Fatal(m.Wait())
	}
	old := k.Mutations("u", "other", false, clock)
	if !old.Take(1) || old.Wait() != 500*time.Millisecond {
		t.Fatal(old.Wait())
	}
	now = now.Add(time.Second)
	if m := k.Mutations("u", "c", true, clock); !m.Take(1) {
		t.Fatal("still refused")
	}
}

// TestBounded: client ids are the client's to choose.
func TestBounded(t *testing.T) {
	k := NewKeeper(testWindow, testWindow)
	k.SetLimits(Produce, limits(map[Entity]float64{{HasClient: true}: 1000}))
	now := time.UnixMilli(1_000_000)
	for i := range 3 * MaxEntities {
		k.Record(Produce, "u", fmt.Sprint(i), 1, now)
	}
	if n := k.Entities(Produce); n != MaxEntities {
		t.Fatal(n)
	}
	k.Record(Produce, "u", "late", 1, now.Add(13*time.Second))
	if n := k.Entities(Produce); n != 1 {
		t.Fatal(n)
	}
}

// BenchmarkOff is what a request pays while there are no quotas.
func BenchmarkOff(b *testing.B) {
	k := NewKeeper(testWindow, testWindow)
	for b.Loop() {
		if k.Active(Produce) {
			b.Fatal()
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	k := NewKeeper(testWindow, testWindow)
	k.SetLimits(Produce, limits(map[Entity]float64{{HasUser: true}: 1e12}))
	now := time.UnixMilli(1_000_000)
	for b.Loop() {
		now = now.Add(time.Microsecond)
		k.Record(Produce, "u", "c", 100, now)
	}
}
