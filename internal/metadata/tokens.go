package metadata

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/metadata/record"
)

// NewToken is what a delegation token is made of.
type NewToken struct {
	Owner, Requester string   // principals
	Renewers         []string // principals that may renew it besides the owner
	LifetimeMs       int64    // how long it can live at most
	RenewMs          int64    // how long it lives without being renewed
}

// CreateDelegationToken makes a token and returns it.
func (n *Node) CreateDelegationToken(ctx context.Context, t NewToken) (*DelegationToken, error) {
	return submit(ctx, n, func(v *view) (*DelegationToken, []record.Record, error) {
		var id record.UUID
		// Kafka's own random ids never begin with a dash, which a command line would take for an option.
		for id == (record.UUID{}) || id.String()[0] == '-' {
			if _, err := io.ReadFull(v.node.o.Random, id[:]); err != nil {
				return nil, nil, fmt.Errorf("making a token's id: %w", err)
			}
		}
		now := v.now.UnixMilli()
		most := later(now, t.LifetimeMs)
		r := &DelegationToken{
			Owner: t.Owner, Requester: t.Requester, Renewers: t.Renewers, TokenID: id.String(),
			IssueTimestamp: now, MaxTimestamp: most, ExpirationTimestamp: min(most, later(now, t.RenewMs)),
		}
		return r, []record.Record{r}, nil
	})
}

// later is a time after now, without going past the end of time.
func later(now, ms int64) int64 {
	if ms > 1<<62 {
		return 1<<63 - 1
	}
	return now + ms
}

// ChangeDelegationToken moves a token's expiry to a time after now, as far as
// its lifetime allows, or removes it if ms is negative. Only its owner and
// renewers may. It returns the expiry.
func (n *Node) ChangeDelegationToken(ctx context.Context, id, principal string, ms int64) (expiry int64, err error) {
	return submit(ctx, n, func(v *view) (int64, []record.Record, error) {
		now := v.now.UnixMilli()
		t := v.DelegationToken(id)
		switch {
		case t == nil:
			return 0, nil, refuse(kerr.DelegationTokenNotFound, "")
		case principal != t.Owner && !slices.Contains(t.Renewers, principal):
			return 0, nil, refuse(kerr.DelegationTokenOwnerMismatch, "")
		case t.MaxTimestamp < now || t.ExpirationTimestamp < now:
			return 0, nil, refuse(kerr.DelegationTokenExpired, "")
		case ms < 0:
			return now, []record.Record{&record.RemoveDelegationToken{TokenID: id}}, nil
		}
		changed := *t
		changed.ExpirationTimestamp = min(t.MaxTimestamp, later(now, ms))
		return changed.ExpirationTimestamp, []record.Record{&changed}, nil
	})
}

// SweepDelegationTokens removes the tokens that have expired.
func (n *Node) SweepDelegationTokens(ctx context.Context) (removed int, err error) {
	return submit(ctx, n, func(v *view) (int, []record.Record, error) {
		now := v.now.UnixMilli()
		var records []record.Record
		for t := range v.DelegationTokens() {
			if t.ExpirationTimestamp < now {
				records = append(records, &record.RemoveDelegationToken{TokenID: t.TokenID})
			}
		}
		return len(records), records, nil
	})
}
