package acl

import (
	"net/netip"
	"slices"
	"strings"
	"sync"

	"leat.dev/internal/metadata/record"
)

// everyUser is the principal of entries for all users.
const everyUser = "User:*"

// Standard keeps Kafka's rules: super users may do everything; any entry that denies wins, whatever kind of pattern it
// has; else one that allows is enough; a resource that no entry covers is closed, unless told otherwise.
type Standard struct {
	super         map[string]bool
	allowEveryone bool

	mu    sync.RWMutex
	types [resourceTypes]typeIndex
	count int
}

// typeIndex holds the entries of one type of resource.
type typeIndex struct {
	literal  map[string][]entry
	prefixed map[string][]entry
	// lengths are the lengths of prefixes, in order, and how many prefixes have each.
	lengths  []int
	byLength map[int]int
}

type entry struct {
	id         record.UUID
	principal  string
	host       string     // "*" or an address as it was written
	addr       netip.Addr // of host, invalid if that is none
	operation  Operation
	permission Permission
}

// NewStandard returns an authorizer without entries.
func NewStandard(superUsers []string, allowEveryone bool) *Standard {
	s := &Standard{super: map[string]bool{}, allowEveryone: allowEveryone}
	for _, u := range superUsers {
		s.super[u] = true
	}
	return s
}

// Len is the number of entries.
func (s *Standard) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.count
}

// Change is an entry that was removed (Old) or added (New).
type Change struct{ Old, New *record.AccessControlEntry }

// Update takes changes in; decisions see all of them or none.
func (s *Standard) Update(changes []Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		if c.Old != nil {
			s.remove(c.Old)
		}
		if c.New != nil {
			s.add(c.New)
		}
	}
}

func (s *Standard) index(a *record.AccessControlEntry) (t *typeIndex, byName map[string][]entry) {
	if a.ResourceType < 0 || a.ResourceType >= resourceTypes {
		return nil, nil
	}
	t = &s.types[a.ResourceType]
	if t.literal == nil {
		*t = typeIndex{literal: map[string][]entry{}, prefixed: map[string][]entry{}, byLength: map[int]int{}}
	}
	switch PatternType(a.PatternType) {
	case Literal:
		return t, t.literal
	case Prefixed:
		return t, t.prefixed
	}
	return nil, nil
}

func (s *Standard) add(a *record.AccessControlEntry) {
	t, byName := s.index(a)
	if t == nil {
		return
	}
	e := entry{id: a.ID, principal: a.Principal, host: a.Host, operation: Operation(a.Operation), permission: Permission(a.PermissionType)}
	if addr, err := netip.ParseAddr(a.Host); err == nil {
		e.addr = addr.Unmap()
	}
	if PatternType(a.PatternType) == Prefixed && len(byName[a.ResourceName]) == 0 {
		t.addLength(len(a.ResourceName), 1)
	}
	byName[a.ResourceName] = append(byName[a.ResourceName], e)
	s.count++
}

func (s *Standard) remove(a *record.AccessControlEntry) {
	t, byName := s.index(a)
	if t == nil {
		return
	}
	list := byName[a.ResourceName]
	i := slices.IndexFunc(list, func(e entry) bool { return e.id == a.ID })
	if i < 0 {
		return
	}
	s.count--
	if list = slices.Delete(list, i, i+1); len(list) > 0 {
		byName[a.ResourceName] = list
		return
	}
	delete(byName, a.ResourceName)
	if PatternType(a.PatternType) == Prefixed {
		t.addLength(len(a.ResourceName), -1)
	}
}

func (t *typeIndex) addLength(n, by int) {
	t.byLength[n] += by
	at, found := slices.BinarySearch(t.lengths, n)
	switch {
	case t.byLength[n] == 0:
		delete(t.byLength, n)
		t.lengths = slices.Delete(t.lengths, at, at+1)
	case !found:
		t.lengths = slices.Insert(t.lengths, at, n)
	}
}

// Authorize implements Authorizer.
func (s *Standard) Authorize(c Client, op Operation, typ ResourceType, name string) bool {
	if s.super[c.Principal] {
		return true
	}
	if typ < 0 || typ >= resourceTypes {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := &s.types[typ]
	v := verdict{client: c, op: op}
	v.look(t.literal[name])
	if name != Wildcard {
		v.look(t.literal[Wildcard])
	}
	for _, n := range t.lengths {
		if n > len(name) {
			break
		}
		v.look(t.prefixed[name[:n]])
	}
	switch {
	case v.denied:
		return false
	case v.allowed:
		return true
	}
	return !v.covered && s.allowEveryone
}

// verdict collects what the entries that cover a resource say.
type verdict struct {
	client                   Client
	op                       Operation
	covered, allowed, denied bool
}

func (v *verdict) look(list []entry) {
	v.covered = v.covered || len(list) > 0
	for i := range list {
		e := &list[i]
		if v.denied || !e.isFor(v.client) || !e.speaksOf(v.op) {
			continue
		}
		switch e.permission {
		case Deny:
			v.denied = true
		case Allow:
			v.allowed = true
		}
	}
}

func (e *entry) isFor(c Client) bool {
	if e.principal != c.Principal && e.principal != everyUser {
		return false
	}
	return e.host == Wildcard || e.addr.IsValid() && e.addr == c.Host
}

// speaksOf tells whether the entry has a say about the operation. What is allowed may imply that it can be described;
// what is denied implies nothing.
func (e *entry) speaksOf(op Operation) bool {
	if e.operation == All || e.operation == op {
		return true
	}
	if e.permission != Allow {
		return false
	}
	switch op {
	case Describe:
		return e.operation == Read || e.operation == Write || e.operation == Delete || e.operation == Alter
	case DescribeConfigs:
		return e.operation == AlterConfigs
	}
	return false
}

// anyName is a name that no entry is likely to have; asking about it tells what holds for all.
const anyName = "hardcode"

// AuthorizeAny implements Authorizer, as Kafka does: an entry that allows counts unless one that denies covers all of
// it. Implied operations do not count here.
func (s *Standard) AuthorizeAny(c Client, op Operation, typ ResourceType) bool {
	if s.Authorize(c, op, typ, anyName) {
		return true
	}
	if typ < 0 || typ >= resourceTypes {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := &s.types[typ]
	says := func(list []entry, p Permission) bool {
		return slices.ContainsFunc(list, func(e entry) bool {
			return e.permission == p && e.isFor(c) && (e.operation == op || e.operation == All)
		})
	}
	if says(t.literal[Wildcard], Deny) {
		return false
	}
	if says(t.literal[Wildcard], Allow) {
		return true
	}
	deniedByPrefix := func(name string) bool {
		for _, n := range t.lengths {
			if n > len(name) {
				break
			}
			if says(t.prefixed[name[:n]], Deny) {
				return true
			}
		}
		return false
	}
	for prefix, list := range t.prefixed {
		if says(list, Allow) && !deniedByPrefix(prefix) {
			return true
		}
	}
	for name, list := range t.literal {
		if says(list, Allow) && !says(list, Deny) && !deniedByPrefix(name) {
			return true
		}
	}
	return false
}

// Covers tells whether a pattern covers a name; it is what the index makes fast.
func Covers(p PatternType, pattern, name string) bool {
	if p == Prefixed {
		return strings.HasPrefix(name, pattern)
	}
	return pattern == name || pattern == Wildcard
}
