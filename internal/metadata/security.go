package metadata

import (
	"cmp"
	"iter"
	"strings"

	"leat.dev/internal/metadata/record"
)

// ACL is one access control entry, as the metadata log holds it.
type ACL = record.AccessControlEntry

// ScramCredential is what is kept of a user's password for one mechanism.
type ScramCredential = record.UserScramCredential

// DelegationToken is a token without its secret, which follows from the id.
type DelegationToken = record.DelegationToken

// The mechanisms of SCRAM, as the protocol and the records number them.
const (
	ScramSHA256 int8 = 1
	ScramSHA512 int8 = 2
)

type scramKey struct {
	user      string
	mechanism int8
}

func compareScramKeys(a, b scramKey) int {
	return cmp.Or(strings.Compare(a.user, b.user), cmp.Compare(a.mechanism, b.mechanism))
}

// security is the part of the image about who may do what.
type security struct {
	acls   sorted[record.UUID, *ACL]
	scram  sorted[scramKey, *ScramCredential]
	tokens sorted[string, *DelegationToken]
}

func newSecurity() security {
	return security{
		acls:   newSorted[record.UUID, *ACL](compareIDs),
		scram:  newSorted[scramKey, *ScramCredential](compareScramKeys),
		tokens: newSorted[string, *DelegationToken](strings.Compare),
	}
}

// ACLs yields all access control entries, in the order of their ids.
func (i *Image) ACLs() iter.Seq[*ACL] { return values(i.security.acls.all()) }

// ChangedACLs yields the entries that differ between prev and i as (old, new),
// old nil for an added and new for a removed one.
func (i *Image) ChangedACLs(prev *Image) iter.Seq2[*ACL, *ACL] {
	return func(yield func(*ACL, *ACL) bool) {
		for _, v := range diff(prev.security.acls, i.security.acls, compareIDs) {
			if !yield(v[0], v[1]) {
				return
			}
		}
	}
}

// ScramCredential returns a user's credential of a mechanism, or nil.
func (i *Image) ScramCredential(user string, mechanism int8) *ScramCredential {
	c, _ := i.security.scram.get(scramKey{user, mechanism})
	return c
}

// ScramCredentials yields all credentials, in the order of users and mechanisms.
func (i *Image) ScramCredentials() iter.Seq[*ScramCredential] {
	return values(i.security.scram.all())
}

// ScramChanged tells whether any credential differs between prev and i.
func (i *Image) ScramChanged(prev *Image) bool {
	for range diff(prev.security.scram, i.security.scram, compareScramKeys) {
		return true
	}
	return false
}

// DelegationToken returns the token with that id, or nil.
func (i *Image) DelegationToken(id string) *DelegationToken {
	t, _ := i.security.tokens.get(id)
	return t
}

// DelegationTokens yields all tokens, in the order of their ids.
func (i *Image) DelegationTokens() iter.Seq[*DelegationToken] {
	return values(i.security.tokens.all())
}

// apply adds a record about security; it tells whether the record was one.
func (s *security) apply(r record.Record) bool {
	switch r := r.(type) {
	case *record.AccessControlEntry:
		s.acls = s.acls.with(r.ID, r)
	case *record.RemoveAccessControlEntry:
		s.acls = s.acls.without(r.ID)
	case *record.UserScramCredential:
		s.scram = s.scram.with(scramKey{r.Name, r.Mechanism}, r)
	case *record.RemoveUserScramCredential:
		s.scram = s.scram.without(scramKey{r.Name, r.Mechanism})
	case *record.DelegationToken:
		s.tokens = s.tokens.with(r.TokenID, r)
	case *record.RemoveDelegationToken:
		s.tokens = s.tokens.without(r.TokenID)
	default:
		return false
	}
	return true
}

// records yields the records of a snapshot; it tells whether to go on.
func (s *security) records(yield func(record.Record) bool) bool {
	for _, r := range s.scram.all() {
		if !yield(r) {
			return false
		}
	}
	for _, r := range s.acls.all() {
		if !yield(r) {
			return false
		}
	}
	for _, r := range s.tokens.all() {
		if !yield(r) {
			return false
		}
	}
	return true
}
