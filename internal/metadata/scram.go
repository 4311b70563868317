package metadata

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata/record"
)

// Bounds of a credential's iterations: fewer make passwords easy to guess from
// what is stored, more let a client burn the time of those that log in.
const (
	scramIterationsMin = 4096
	scramIterationsMax = 16384
)

// scramHash is the hash of a mechanism, nil for an unknown one.
func scramHash(mechanism int8) func() hash.Hash {
	switch mechanism {
	case ScramSHA256:
		return sha256.New
	case ScramSHA512:
		return sha512.New
	}
	return nil
}

// NewScramCredential makes what is stored of a salted password (RFC 5802). The
// mechanism has to be a known one.
func NewScramCredential(user string, mechanism int8, salt, salted []byte, iterations int32) *ScramCredential {
	h := scramHash(mechanism)
	sign := func(key []byte, text string) []byte {
		m := hmac.New(h, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := h()
	stored.Write(sign(salted, "Client Key"))
	return &ScramCredential{
		Name: user, Mechanism: mechanism, Salt: salt, Iterations: iterations,
		StoredKey: stored.Sum(nil), ServerKey: sign(salted, "Server Key"),
	}
}

// AlterScramCredentials sets and removes credentials. The response has one
// result for each user, and a user's changes come true all or not at all.
func (n *Node) AlterScramCredentials(ctx context.Context, req *kmsg.AlterUserSCRAMCredentialsRequest) *kmsg.AlterUserSCRAMCredentialsResponse {
	users, why := checkScram(req)
	failed, err := submit(ctx, n, func(v *view) (map[string]*refusal, []record.Record, error) {
		failed := map[string]*refusal{}
		for _, d := range req.Deletions {
			if why[d.Name] == nil && failed[d.Name] == nil && v.ScramCredential(d.Name, d.Mechanism) == nil {
				failed[d.Name] = refuse(kerr.ResourceNotFound, "Attempt to delete a user credential that does not exist")
			}
		}
		var records []record.Record
		holds := func(user string) bool { return why[user] == nil && failed[user] == nil }
		for _, d := range req.Deletions {
			if holds(d.Name) {
				records = append(records, &record.RemoveUserScramCredential{Name: d.Name, Mechanism: d.Mechanism})
			}
		}
		for i := range req.Upsertions {
			if u := &req.Upsertions[i]; holds(u.Name) {
				records = append(records, NewScramCredential(u.Name, u.Mechanism, u.Salt, u.SaltedPassword, u.Iterations))
			}
		}
		return failed, records, nil
	})
	resp := kmsg.NewPtrAlterUserSCRAMCredentialsResponse()
	for _, user := range users {
		r := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		r.User = user
		reason := why[user]
		if reason == nil {
			reason = failed[user]
		}
		if reason == nil {
			reason = refusalOf(err)
		}
		r.ErrorCode, r.ErrorMessage = reason.fields()
		resp.Results = append(resp.Results, r)
	}
	return resp
}

// checkScram lists the users of a request, and what is wrong with the changes
// of each.
func checkScram(req *kmsg.AlterUserSCRAMCredentialsRequest) (users []string, why map[string]*refusal) {
	why = map[string]*refusal{}
	seen := map[scramKey]bool{}
	listed := map[string]bool{}
	add := func(user string, mechanism int8, problem *refusal) {
		if !listed[user] {
			listed[user] = true
			users = append(users, user)
		}
		key := scramKey{user, mechanism}
		switch {
		case user == "":
			problem = refuse(kerr.UnacceptableCredential, "Username must not be empty")
		case scramHash(mechanism) == nil:
			problem = refuse(kerr.UnsupportedSaslMechanism, "Unknown SCRAM mechanism")
		case seen[key]:
			problem = refuse(kerr.DuplicateResource, "A user credential cannot be altered twice in the same request")
		}
		seen[key] = true
		if problem != nil && why[user] == nil {
			why[user] = problem
		}
	}
	for _, d := range req.Deletions {
		add(d.Name, d.Mechanism, nil)
	}
	for i := range req.Upsertions {
		u := &req.Upsertions[i]
		var problem *refusal
		switch {
		case u.Iterations < scramIterationsMin:
			problem = refuse(kerr.UnacceptableCredential, "Too few iterations")
		case u.Iterations > scramIterationsMax:
			problem = refuse(kerr.UnacceptableCredential, "Too many iterations")
		case len(u.Salt) == 0 || len(u.SaltedPassword) == 0:
			problem = refuse(kerr.UnacceptableCredential, "A credential needs a salt and a salted password")
		}
		add(u.Name, u.Mechanism, problem)
	}
	return users, why
}
