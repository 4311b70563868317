package acl

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"leat.dev/internal/metadata/record"
)

var local = netip.MustParseAddr("127.0.0.1")

func allow(typ ResourceType, p PatternType, name, who, host string, op Operation) record.AccessControlEntry {
	return record.AccessControlEntry{ResourceType: int8(typ), PatternType: int8(p), ResourceName: name, Principal: who, Host: host, Operation: int8(op), PermissionType: int8(Allow)}
}

func deny(typ ResourceType, p PatternType, name, who, host string, op Operation) record.AccessControlEntry {
	a := allow(typ, p, name, who, host, op)
	a.PermissionType = int8(Deny)
	return a
}

func standard(everyone bool, list ...record.AccessControlEntry) *Standard {
	s := NewStandard([]string{"User:root"}, everyone)
	for i := range list {
		list[i].ID = record.UUID{15: byte(i + 1)}
		s.Update([]Change{{New: &list[i]}})
	}
	return s
}

func TestDecisions(t *testing.T) {
	const alice = "User:alice"
	for _, tc := range []struct {
		name     string
		everyone bool
		acls     []record.AccessControlEntry
		who      string
		host     string
		op       Operation
		resource string
		want     bool
	}{
		{name: "nothing is closed", who: alice, op: Read, resource: "t"},
		{name: "nothing is open if everyone may", everyone: true, who: alice, op: Read, resource: "t", want: true},
		{name: "super user", acls: []record.AccessControlEntry{deny(Topic, Literal, "*", "User:*", "*", All)}, who: "User:root", op: Read, resource: "t", want: true},
		{name: "literal", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read)}, who: alice, op: Read, resource: "t", want: true},
		{name: "another name", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read)}, who: alice, op: Read, resource: "tt"},
		{name: "another user", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read)}, who: "User:bob", op: Read, resource: "t"},
		{name: "another principal type", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", "Group:alice", "*", Read)}, who: alice, op: Read, resource: "t"},
		{name: "everyone is open only without any entry", everyone: true, acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read)}, who: "User:bob", op: Read, resource: "t"},
		{name: "everyone is open elsewhere", everyone: true, acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read)}, who: "User:bob", op: Read, resource: "u", want: true},
		{name: "a prefix covers too", everyone: true, acls: []record.AccessControlEntry{allow(Topic, Prefixed, "t", alice, "*", Read)}, who: "User:bob", op: Read, resource: "tu"},
		{name: "prefix", acls: []record.AccessControlEntry{allow(Topic, Prefixed, "pay", alice, "*", Write)}, who: alice, op: Write, resource: "payments", want: true},
		{name: "prefix is the name", acls: []record.AccessControlEntry{allow(Topic, Prefixed, "pay", alice, "*", Write)}, who: alice, op: Write, resource: "pay", want: true},
		{name: "name shorter than the prefix", acls: []record.AccessControlEntry{allow(Topic, Prefixed, "pay", alice, "*", Write)}, who: alice, op: Write, resource: "pa"},
		{name: "wildcard", acls: []record.AccessControlEntry{allow(Topic, Literal, "*", alice, "*", Write)}, who: alice, op: Write, resource: "x", want: true},
		{name: "prefixed star is no wildcard", acls: []record.AccessControlEntry{allow(Topic, Prefixed, "*", alice, "*", Write)}, who: alice, op: Write, resource: "x"},
		{name: "all users", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", "User:*", "*", Write)}, who: alice, op: Write, resource: "t", want: true},
		{name: "all users, anonymous too", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", "User:*", "*", Write)}, who: "User:ANONYMOUS", op: Write, resource: "t", want: true},
		{name: "host", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "127.0.0.1", Read)}, who: alice, op: Read, resource: "t", want: true},
		{name: "another host", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "10.0.0.1", Read)}, who: alice, op: Read, resource: "t"},
		{name: "host in the long form of IPv6", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "0:0:0:0:0:0:0:1", Read)}, who: alice, host: "::1", op: Read, resource: "t", want: true},
		{name: "deny wins over a longer prefix", acls: []record.AccessControlEntry{allow(Topic, Prefixed, "payments", alice, "*", Read), deny(Topic, Prefixed, "p", alice, "*", Read)}, who: alice, op: Read, resource: "payments-1"},
		{name: "wildcard deny wins over literal", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read), deny(Topic, Literal, "*", alice, "*", Read)}, who: alice, op: Read, resource: "t"},
		{name: "deny for another host", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read), deny(Topic, Literal, "t", alice, "10.0.0.1", Read)}, who: alice, op: Read, resource: "t", want: true},
		{name: "all operations", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", All)}, who: alice, op: Alter, resource: "t", want: true},
		{name: "deny all operations", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read), deny(Topic, Literal, "t", alice, "*", All)}, who: alice, op: Read, resource: "t"},
		{name: "read implies describe", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read)}, who: alice, op: Describe, resource: "t", want: true},
		{name: "write implies describe", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Write)}, who: alice, op: Describe, resource: "t", want: true},
		{name: "delete implies describe", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Delete)}, who: alice, op: Describe, resource: "t", want: true},
		{name: "alter implies describe", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Alter)}, who: alice, op: Describe, resource: "t", want: true},
		{name: "create implies nothing", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Create)}, who: alice, op: Describe, resource: "t"},
		{name: "alter configs implies describe configs", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", AlterConfigs)}, who: alice, op: DescribeConfigs, resource: "t", want: true},
		{name: "describe implies nothing", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Describe)}, who: alice, op: Read, resource: "t"},
		{name: "denied read leaves describe", acls: []record.AccessControlEntry{deny(Topic, Literal, "t", alice, "*", Read), allow(Topic, Literal, "t", alice, "*", Write)}, who: alice, op: Describe, resource: "t", want: true},
		{name: "denied describe beats what implies it", acls: []record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read), deny(Topic, Literal, "t", alice, "*", Describe)}, who: alice, op: Describe, resource: "t"},
		{name: "another type of resource", acls: []record.AccessControlEntry{allow(Group, Literal, "t", alice, "*", Read)}, who: alice, op: Read, resource: "t"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			host := local
			if tc.host != "" {
				host = netip.MustParseAddr(tc.host)
			}
			if got := standard(tc.everyone, tc.acls...).Authorize(Client{tc.who, host}, tc.op, Topic, tc.resource); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAuthorizeAny(t *testing.T) {
	const alice = "User:alice"
	for i, tc := range []struct {
		acls []record.AccessControlEntry
		want bool
	}{
		{nil, false},
		{[]record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Write)}, true},
		{[]record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Read)}, false},
		{[]record.AccessControlEntry{allow(Topic, Prefixed, "t", alice, "*", All)}, true},
		{[]record.AccessControlEntry{allow(Topic, Literal, "*", alice, "*", Write)}, true},
		{[]record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Write), deny(Topic, Literal, "t", alice, "*", Write)}, false},
		{[]record.AccessControlEntry{allow(Topic, Literal, "tu", alice, "*", Write), deny(Topic, Prefixed, "t", alice, "*", Write)}, false},
		{[]record.AccessControlEntry{allow(Topic, Prefixed, "tu", alice, "*", Write), deny(Topic, Prefixed, "t", alice, "*", Write)}, false},
		{[]record.AccessControlEntry{allow(Topic, Prefixed, "t", alice, "*", Write), deny(Topic, Prefixed, "tu", alice, "*", Write)}, true},
		{[]record.AccessControlEntry{allow(Topic, Literal, "t", alice, "*", Write), deny(Topic, Literal, "*", alice, "*", Write)}, false},
		{[]record.AccessControlEntry{allow(Topic, Literal, "t", alice, "10.0.0.1", Write)}, false},
	} {
		if got := standard(false, tc.acls...).AuthorizeAny(Client{alice, local}, Write, Topic); got != tc.want {
			t.Errorf("%d: got %v, want %v", i, got, tc.want)
		}
	}
}

// naive decides by looking at all entries, in the words of the rules.
func naive(list []record.AccessControlEntry, everyone bool, c Client, op Operation, typ ResourceType, name string) bool {
	implied := map[Operation][]Operation{Describe: {Read, Write, Delete, Alter}, DescribeConfigs: {AlterConfigs}}
	covered, allowed := false, false
	for _, a := range list {
		if ResourceType(a.ResourceType) != typ || !Covers(PatternType(a.PatternType), a.ResourceName, name) {
			continue
		}
		covered = true
		if a.Principal != c.Principal && a.Principal != "User:*" || a.Host != "*" && a.Host != c.Host.String() {
			continue
		}
		ops := map[Operation]bool{op: true, All: true}
		if Permission(a.PermissionType) == Allow {
			for _, o := range implied[op] {
				ops[o] = true
			}
		}
		if !ops[Operation(a.Operation)] {
			continue
		}
		if Permission(a.PermissionType) == Deny {
			return false
		}
		allowed = true
	}
	return allowed || !covered && everyone
}

// The index decides as the naive evaluator does, while entries come and go.
func TestIndexAgainstNaive(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "ab", "abc", "b", "*", "abd", "ba"})
	users := rapid.SampledFrom([]string{"User:x", "User:y", "User:*", "Group:x"})
	hosts := rapid.SampledFrom([]string{"*", "127.0.0.1", "10.0.0.1"})
	types := rapid.SampledFrom([]ResourceType{Topic, Group})
	ops := rapid.SampledFrom([]Operation{All, Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs})
	rapid.Check(t, func(t *rapid.T) {
		everyone := rapid.Bool().Draw(t, "everyone")
		s := NewStandard(nil, everyone)
		var list []record.AccessControlEntry
		next := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if len(list) > 0 && rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
				s.Update([]Change{{Old: &list[i]}})
				list = append(list[:i:i], list[i+1:]...)
			} else {
				a := allow(types.Draw(t, "type"), rapid.SampledFrom([]PatternType{Literal, Prefixed}).Draw(t, "pattern"), names.Draw(t, "name"), users.Draw(t, "who"), hosts.Draw(t, "host"), ops.Draw(t, "op"))
				a.PermissionType = int8(rapid.SampledFrom([]Permission{Allow, Allow, Deny}).Draw(t, "permission"))
				next++
				a.ID = record.UUID{14: byte(next >> 8), 15: byte(next)}
				list = append(list, a)
				s.Update([]Change{{New: &a}})
			}
			c := Client{rapid.SampledFrom([]string{"User:x", "User:y"}).Draw(t, "client"), local}
			op, typ, name := ops.Draw(t, "asked"), types.Draw(t, "asked type"), rapid.SampledFrom([]string{"a", "ab", "abc", "abcd", "b", "c"}).Draw(t, "asked name")
			if got, want := s.Authorize(c, op, typ, name), naive(list, everyone, c, op, typ, name); got != want {
				t.Fatalf("%v %v %v %s: got %v, want %v", c.Principal, op, typ, name, got, want)
			}
			if s.Len() != len(list) {
				t.Fatalf("%d entries, want %d", s.Len(), len(list))
			}
		}
	})
}

func BenchmarkAuthorize(b *testing.B) {
	s := NewStandard(nil, false)
	var changes []Change
	for i := range 10000 {
		a := allow(Topic, Literal, fmt.Sprintf("topic-%d", i), "User:alice", "*", Read)
		if i%4 == 0 {
			a.PatternType = int8(Prefixed)
		}
		a.ID = record.UUID{14: byte(i >> 8), 15: byte(i)}
		changes = append(changes, Change{New: &a})
	}
	s.Update(changes)
	c := Client{"User:alice", local}
	b.ReportAllocs()
	for b.Loop() {
		if !s.Authorize(c, Read, Topic, "topic-8000") {
			b.Fatal("denied")
		}
	}
}
