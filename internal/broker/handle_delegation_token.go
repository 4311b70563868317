package broker

import (
	"context"
	"crypto/hmac"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/broker/auth"
	"leat.dev/internal/metadata"
)

// userType is the only type of principals that own and renew tokens.
const userType = "User"

// tokenRequestsAllowed tells whether the client may have to do with tokens at all: it must have proved who it is over
// a connection that nobody listens to, and not by a token, which would make tokens live for ever.
func (b *Broker) tokenRequestsAllowed(r *Request) *kerr.Error {
	switch p := r.auth.listener.protocol; {
	case r.TokenAuthenticated, p == Plaintext, p == SSL && r.Principal == auth.Anonymous:
		return kerr.DelegationTokenRequestNotAllowed
	case b.security.tokenKey == nil:
		return kerr.DelegationTokenAuthDisabled
	}
	return nil
}

// handleCreateDelegationToken makes a token for the client, or for another user if it may.
func (b *Broker) handleCreateDelegationToken(ctx context.Context, r *Request, req *kmsg.CreateDelegationTokenRequest) kmsg.Response {
	resp := kmsg.NewPtrCreateDelegationTokenResponse()
	requesterType, requester := splitPrincipal(r.Principal)
	resp.PrincipalType, resp.PrincipalName = requesterType, requester
	resp.TokenRequesterPrincipalType, resp.TokenRequesterPrincipalName = requesterType, requester
	resp.IssueTimestamp, resp.ExpiryTimestamp, resp.MaxTimestamp = -1, -1, -1
	resp.HMAC = []byte{}
	if err := b.tokenRequestsAllowed(r); err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	if req.OwnerPrincipalName != nil && *req.OwnerPrincipalName != "" {
		resp.PrincipalName, resp.PrincipalType = *req.OwnerPrincipalName, userType
		if req.OwnerPrincipalType != nil && *req.OwnerPrincipalType != "" {
			resp.PrincipalType = *req.OwnerPrincipalType
		}
	}
	owner := resp.PrincipalType + ":" + resp.PrincipalName
	if owner != r.Principal && !b.allowed(r, acl.CreateTokens, acl.User, owner) {
		resp.ErrorCode = kerr.DelegationTokenAuthorizationFailed.Code
		return resp
	}
	t := metadata.NewToken{
		Owner: owner, Requester: r.Principal, RenewMs: b.cfg.Int64("delegation.token.expiry.time.ms"),
		LifetimeMs: b.cfg.Int64("delegation.token.max.lifetime.ms"),
	}
	for _, p := range req.Renewers {
		if p.PrincipalType != userType {
			resp.ErrorCode = kerr.InvalidPrincipalType.Code
			return resp
		}
		t.Renewers = append(t.Renewers, p.PrincipalType+":"+p.PrincipalName)
	}
	if req.MaxLifetimeMillis > 0 {
		t.LifetimeMs = min(t.LifetimeMs, req.MaxLifetimeMillis)
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	token, err := b.meta.CreateDelegationToken(ctx, t)
	if err != nil {
		resp.ErrorCode = metadata.ErrorCode(err)
		return resp
	}
	b.security.audit.changed(r, "delegation token created", "token", token.TokenID, "owner", owner)
	resp.IssueTimestamp, resp.ExpiryTimestamp, resp.MaxTimestamp = token.IssueTimestamp, token.ExpirationTimestamp, token.MaxTimestamp
	resp.TokenID, resp.HMAC = token.TokenID, b.tokenSecret(token.TokenID)
	return resp
}

func splitPrincipal(p string) (typ, name string) {
	typ, name, _ = strings.Cut(p, ":")
	return typ, name
}

// tokenByHMAC finds the token with the secret, "" if there is none.
func (b *Broker) tokenByHMAC(secret []byte) string {
	for t := range b.meta.Image().DelegationTokens() {
		if hmac.Equal(b.tokenSecret(t.TokenID), secret) {
			return t.TokenID
		}
	}
	return ""
}

// changeToken moves a token's expiry, or removes the token if ms is negative.
func (b *Broker) changeToken(ctx context.Context, r *Request, secret []byte, ms int64, what string) (expiry int64, code int16) {
	if err := b.tokenRequestsAllowed(r); err != nil {
		return -1, err.Code
	}
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	id := b.tokenByHMAC(secret)
	expiry, err := b.meta.ChangeDelegationToken(ctx, id, r.Principal, ms)
	if err != nil {
		return 0, metadata.ErrorCode(err)
	}
	b.security.audit.changed(r, what, "token", id)
	return expiry, 0
}

// handleRenewDelegationToken lets a token live longer.
func (b *Broker) handleRenewDelegationToken(ctx context.Context, r *Request, req *kmsg.RenewDelegationTokenRequest) kmsg.Response {
	resp := kmsg.NewPtrRenewDelegationTokenResponse()
	ms := b.cfg.Int64("delegation.token.expiry.time.ms")
	if req.RenewTimeMillis >= 0 {
		ms = min(ms, req.RenewTimeMillis)
	}
	resp.ExpiryTimestamp, resp.ErrorCode = b.changeToken(ctx, r, req.HMAC, ms, "delegation token renewed")
	return resp
}

// handleExpireDelegationToken lets a token live shorter, or ends it.
func (b *Broker) handleExpireDelegationToken(ctx context.Context, r *Request, req *kmsg.ExpireDelegationTokenRequest) kmsg.Response {
	resp := kmsg.NewPtrExpireDelegationTokenResponse()
	resp.ExpiryTimestamp, resp.ErrorCode = b.changeToken(ctx, r, req.HMAC, max(req.ExpiryPeriodMillis, -1), "delegation token expired")
	return resp
}

// handleDescribeDelegationToken lists the tokens that the client has to do with, or may see.
func (b *Broker) handleDescribeDelegationToken(_ context.Context, r *Request, req *kmsg.DescribeDelegationTokenRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeDelegationTokenResponse()
	if err := b.tokenRequestsAllowed(r); err != nil {
		resp.ErrorCode = err.Code
		return resp
	}
	concerns := func(t *metadata.DelegationToken, principal string) bool {
		return t.Owner == principal || slices.Contains(t.Renewers, principal)
	}
	for t := range b.meta.Image().DelegationTokens() {
		asked := req.Owners == nil || slices.ContainsFunc(req.Owners, func(o kmsg.DescribeDelegationTokenRequestOwner) bool {
			return concerns(t, o.PrincipalType+":"+o.PrincipalName)
		})
		if !asked || !concerns(t, r.Principal) && !b.quietlyAllowed(r, acl.Describe, acl.DelegationToken, t.TokenID) &&
			!b.quietlyAllowed(r, acl.DescribeTokens, acl.User, t.Owner) {
			continue
		}
		d := kmsg.NewDescribeDelegationTokenResponseTokenDetail()
		d.PrincipalType, d.PrincipalName = splitPrincipal(t.Owner)
		d.TokenRequesterPrincipalType, d.TokenRequesterPrincipalName = splitPrincipal(t.Requester)
		d.IssueTimestamp, d.ExpiryTimestamp, d.MaxTimestamp = t.IssueTimestamp, t.ExpirationTimestamp, t.MaxTimestamp
		d.TokenID, d.HMAC = t.TokenID, b.tokenSecret(t.TokenID)
		for _, p := range t.Renewers {
			renewer := kmsg.NewDescribeDelegationTokenResponseTokenDetailRenewer()
			renewer.PrincipalType, renewer.PrincipalName = splitPrincipal(p)
			d.Renewers = append(d.Renewers, renewer)
		}
		resp.TokenDetails = append(resp.TokenDetails, d)
	}
	return resp
}

// sweepTokens removes expired tokens from time to time, until the background of the broker ends.
func (b *Broker) sweepTokens(ctx context.Context) {
	every := time.Duration(b.cfg.Int64("delegation.token.expiry.check.interval.ms")) * time.Millisecond
	t := b.clock.NewTimer(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C():
		}
		if n, err := b.meta.SweepDelegationTokens(ctx); err != nil && ctx.Err() == nil {
			b.log.Warn("removing expired delegation tokens failed", "err", err)
		} else if n > 0 {
			b.log.Info("expired delegation tokens removed", "tokens", n)
		}
		t.Reset(every)
	}
}
