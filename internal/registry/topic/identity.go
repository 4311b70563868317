package topic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
)

// What the group protocol is told; a Confluent registry says the same.
const (
	protocolType = "sr"
	protocolName = "v0"
	identityV1   = 1
)

// Errors of an assignment.
const (
	assignedWell   = 0
	duplicateURLs  = 1
	metadataLength = 1 << 16 // most bytes of a member's metadata or of an assignment that are looked at
)

// Identity is what a member of the group says of itself: where it is reached, and whether it may lead.
type Identity struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Eligible bool   `json:"master_eligibility"`
	Scheme   string `json:"scheme"`
	Version  int    `json:"version"`
	Leader   bool   `json:"leader"` // it was the leader when it joined
}

// NewIdentity makes the identity of a registry that is reached at a URL such as http://host:8081.
func NewIdentity(base string, eligible bool) (Identity, error) {
	u, err := url.Parse(base)
	if err != nil {
		return Identity{}, fmt.Errorf("%q is not a URL: %w", base, err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return Identity{}, fmt.Errorf("%q is not of the form http://HOST:PORT", base)
	}
	return Identity{Host: u.Hostname(), Port: port, Eligible: eligible, Scheme: u.Scheme, Version: identityV1}, nil
}

// URL is where the registry is reached. The smallest one leads.
func (i Identity) URL() string {
	return i.Scheme + "://" + net.JoinHostPort(i.Host, strconv.Itoa(i.Port))
}

// assignment is what each member of the group is told: the same for all.
type assignment struct {
	Error    int       `json:"error"`
	Master   *string   `json:"master"` // its member id
	Identity *Identity `json:"master_identity"`
	Version  int       `json:"version"`
}

// parseIdentity reads a member's metadata.
func parseIdentity(data []byte) (Identity, error) {
	var i Identity
	if len(data) > metadataLength {
		return i, fmt.Errorf("%d bytes of metadata; at most %d are read", len(data), metadataLength)
	}
	err := json.Unmarshal(data, &i)
	return i, err
}

func parseAssignment(data []byte) (assignment, error) {
	var a assignment
	if len(data) > metadataLength {
		return a, fmt.Errorf("an assignment of %d bytes; at most %d are read", len(data), metadataLength)
	}
	err := json.Unmarshal(data, &a)
	return a, err
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return nil // strings, numbers and booleans only: cannot fail
	}
	return data
}

// candidate is a member as the leader of the group sees it.
type candidate struct {
	member   string
	identity Identity
}

// choose decides which member writes: among those that may, the one with the smallest URL; with sticky, the one that says it
// leads already. Two members with one URL get an error instead, since nobody could tell where to send a write.
func choose(members []candidate, sticky bool) assignment {
	a := assignment{Version: identityV1}
	members = slices.Clone(members)
	slices.SortFunc(members, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.identity.URL(), y.identity.URL()), cmp.Compare(x.member, y.member))
	})
	for i := range members {
		if i > 0 && members[i].identity.URL() == members[i-1].identity.URL() {
			a.Error = duplicateURLs
			return a
		}
	}
	var best *candidate
	for i := range members {
		m := &members[i]
		if m.identity.Eligible && (best == nil || sticky && m.identity.Leader && !best.identity.Leader) {
			best = m
		}
	}
	if best != nil {
		a.Master, a.Identity = &best.member, &best.identity
	}
	return a
}
