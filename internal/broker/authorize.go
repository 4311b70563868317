package broker

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/acl"
	"leat.dev/internal/broker/transport"
)

// This file and the others named authorize*.go are the one place where it stands what a client needs for each API, and
// what it is told if it may not. A rule stands around the handler: it takes what is not allowed out of the request,
// and puts errors, or nothing, in its place in the response. Handlers know nothing of it, with two exceptions: Produce
// and Fetch, which have a path of their own, ask b.allowed themselves, and the listing of topics page by page asks what
// it may show. An API without a rule here is refused to everybody when there is an authorizer.

// rule is what an API needs.
type rule struct {
	needs string // for people; empty if nothing is needed
	check ruleFunc
}

// ruleFunc answers a request: it calls next for what is allowed.
type ruleFunc func(g *guard, req kmsg.Request, next func() kmsg.Response) kmsg.Response

// guard asks the authorizer about one request.
type guard struct {
	b *Broker
	r *Request
}

// rules is the table, put together from one per area.
var rules = mergeRules(topicRules, groupRules, clusterRules, txnRules)

func mergeRules(tables ...map[kmsg.Key]rule) map[kmsg.Key]rule {
	out := map[kmsg.Key]rule{}
	for _, t := range tables {
		for k, r := range t {
			if _, twice := out[k]; twice {
				panic("two rules for " + k.Name())
			}
			out[k] = r
		}
	}
	return out
}

// errNoRule closes the connection of a client that asks for something of which nobody has said who may.
var errNoRule = fmt.Errorf("the API has no rule of authorization")

// guarded runs a handler behind the rule of its API.
func (b *Broker) guarded(r *Request, req kmsg.Request, next func() kmsg.Response) (kmsg.Response, error) {
	if r.watch.broker != nil && !computed[kmsg.Key(r.Key)] {
		r.watch.pause()
		defer r.watch.resume()
	}
	return b.authorized(r, req, next)
}

func (b *Broker) authorized(r *Request, req kmsg.Request, next func() kmsg.Response) (kmsg.Response, error) {
	if b.security.authorizer == nil || r.auth.listener.trusted {
		return next(), nil
	}
	rule, ok := rules[kmsg.Key(r.Key)]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %s", errNoRule, kmsg.NameForKey(r.Key))
	case rule.check == nil:
		return next(), nil
	}
	return rule.check(&guard{b, r}, req, next), nil
}

// allowed asks the authorizer, and writes the answer to the audit log.
func (b *Broker) allowed(r *Request, op acl.Operation, typ acl.ResourceType, name string) bool {
	ok := b.quietlyAllowed(r, op, typ, name)
	if b.security.authorizer != nil && !r.auth.listener.trusted {
		b.security.audit.decision(r, op, typ, name, ok)
	}
	return ok
}

// quietlyAllowed asks the authorizer where a denial only means that less is shown.
func (b *Broker) quietlyAllowed(r *Request, op acl.Operation, typ acl.ResourceType, name string) bool {
	if b.security.authorizer == nil || r.auth.listener.trusted {
		return true
	}
	return b.security.authorizer.Authorize(acl.Client{Principal: r.Principal, Host: r.RemoteAddr.Addr()}, op, typ, name)
}

// restricts tells whether an authorizer has a say about the connection's requests. The hot paths ask before they make
// a Request.
func (b *Broker) restricts(c *transport.Conn) bool {
	return b.security.authorizer != nil && !c.Auth.(*connAuth).listener.trusted
}

func (g *guard) may(op acl.Operation, typ acl.ResourceType, name string) bool {
	return g.b.allowed(g.r, op, typ, name)
}

func (g *guard) sees(op acl.Operation, typ acl.ResourceType, name string) bool {
	return g.b.quietlyAllowed(g.r, op, typ, name)
}

func (g *guard) cluster(op acl.Operation) bool { return g.may(op, acl.Cluster, acl.ClusterName) }

// operations is the sum of 1<<operation of what the client may do.
func (g *guard) operations(typ acl.ResourceType, name string) (bits int32) {
	for _, op := range typ.Operations() {
		if g.sees(op, typ, name) {
			bits |= 1 << op
		}
	}
	return bits
}

// checked makes a rule of a function over the API's own types.
func checked[Q kmsg.Request, R kmsg.Response](f func(g *guard, req Q, next func() R) R) ruleFunc {
	return func(g *guard, req kmsg.Request, next func() kmsg.Response) kmsg.Response {
		resp := f(g, req.(Q), func() R { return next().(R) })
		resp.SetVersion(g.r.Version)
		return resp
	}
}

// whole is a rule for all or nothing.
func whole(needs string, code *kerr.Error, may func(g *guard) bool) rule {
	return rule{needs: needs, check: func(g *guard, req kmsg.Request, next func() kmsg.Response) kmsg.Response {
		if may(g) {
			return next()
		}
		return refused(req, code)
	}}
}

// onCluster is a rule for an operation on the cluster.
func onCluster(op acl.Operation) rule {
	return whole(op.String()+" Cluster", kerr.ClusterAuthorizationFailed, func(g *guard) bool { return g.cluster(op) })
}

// split takes those out of a list that the client may not touch. What is left is never nil: no list often means all.
func split[E any](list []E, may func(*E) bool) (left, denied []E) {
	for i := range list {
		ok := may(&list[i])
		switch {
		case ok && denied == nil:
		case ok:
			left = append(left, list[i])
		case denied == nil:
			left = append(make([]E, 0, len(list)), list[:i]...)
			fallthrough
		default:
			denied = append(denied, list[i])
		}
	}
	if denied == nil {
		return list, nil
	}
	return left, denied
}

// mayNames remembers the answers about names of one kind, so that each is asked for and written down once.
func (g *guard) mayNames(op acl.Operation, typ acl.ResourceType) func(string) bool {
	known := map[string]bool{}
	return func(name string) bool {
		ok, asked := known[name]
		if !asked {
			ok = g.may(op, typ, name)
			known[name] = ok
		}
		return ok
	}
}

// topicName is the name of a topic that a request names by its id from some version on; false if there is none.
func (g *guard) topicName(name string, id [16]byte) (string, bool) {
	if id == ([16]byte{}) {
		return name, true
	}
	if t := g.b.meta.Image().TopicByID(id); t != nil {
		return t.Name, true
	}
	return "", false
}

// mayTopic is mayNames for topics that may be named by id. An id that nobody knows is left to the handler, which says
// so: it tells nothing about names.
func (g *guard) mayTopic(op acl.Operation) func(name string, id [16]byte) bool {
	may := g.mayNames(op, acl.Topic)
	return func(name string, id [16]byte) bool {
		name, known := g.topicName(name, id)
		return !known || may(name)
	}
}

// visible is what a client may see of the topics when it asks for all.
func (b *Broker) visible(r *Request, topic string) bool {
	return b.quietlyAllowed(r, acl.Describe, acl.Topic, topic)
}

// shown removes from a list what a client may not see.
func shown[E any](list []E, sees func(*E) bool) []E {
	return slices.DeleteFunc(list, func(e E) bool { return !sees(&e) })
}
