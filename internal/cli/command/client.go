package command

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/internal/cli/fault"
)

// Client is a connection to a cluster.
type Client struct {
	*kgo.Client
	Admin *kadm.Client
	env   *Env
	dials *dialLog
	end   context.CancelFunc // of Reach's context, nil without one
}

// Connect reaches a broker, or says within --timeout why that is not possible.
func (e *Env) Connect(ctx context.Context, opts ...kgo.Opt) (*Client, error) {
	c, err := e.Open(opts...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := e.Deadline(ctx)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		c.Close()
		return nil, c.unreachable(err)
	}
	return c, nil
}

// Reach connects for a command that --timeout bounds as a whole: the returned context ends with it, or with Close.
func (e *Env) Reach(ctx context.Context) (*Client, context.Context, error) {
	c, err := e.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx, c.end = e.Deadline(ctx)
	return c, ctx, nil
}

// Close ends the connections, and the context that Reach made.
func (c *Client) Close() {
	if c.end != nil {
		c.end()
	}
	c.Client.Close()
}

// Open makes a client without waiting for a broker.
func (e *Env) Open(opts ...kgo.Opt) (*Client, error) {
	dials := &dialLog{failed: map[string]error{}}
	base := []kgo.Opt{
		kgo.SeedBrokers(e.Bootstrap...),
		kgo.ClientID("leat"),
		kgo.SoftwareNameAndVersion("leat", softwareVersion(e.Version)),
		kgo.RetryTimeout(e.Timeout),
		kgo.DisableClientMetrics(),
		// Metadata is asked for right away after a topic was created; a person does not wait for it.
		kgo.MetadataMinAge(50 * time.Millisecond),
	}
	if e.Verbose {
		base = append(base, kgo.WithLogger(kgo.BasicLogger(e.Err, kgo.LogLevelDebug, nil)))
	}
	secure, err := e.security.options(dials)
	if err != nil {
		return nil, err
	}
	base = append(base, secure...)
	cl, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		return nil, fault.Usage("cannot use these connection settings").WithDetail("%v", err).
			WithHint("--bootstrap-servers takes HOST:PORT, or several separated by commas")
	}
	admin := kadm.NewClient(cl)
	admin.SetTimeoutMillis(int32(e.Timeout.Milliseconds()))
	return &Client{Client: cl, Admin: admin, env: e, dials: dials}, nil
}

// ClientOptions are those of a client for the flags, without what commands that a person waits for add to them.
func (e *Env) ClientOptions() ([]kgo.Opt, error) {
	secure, err := e.security.options(&dialLog{failed: map[string]error{}})
	if err != nil {
		return nil, err
	}
	opts := append([]kgo.Opt{kgo.SeedBrokers(e.Bootstrap...), kgo.SoftwareNameAndVersion("leat", softwareVersion(e.Version))}, secure...)
	if e.Verbose {
		opts = append(opts, kgo.WithLogger(kgo.BasicLogger(e.Err, kgo.LogLevelDebug, nil)))
	}
	return opts, nil
}

// softwareVersion keeps to the letters that the protocol allows here.
func softwareVersion(v string) string {
	v = strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '-':
			return r
		}
		return '-'
	}, v)
	return strings.Trim(v, ".-")
}

// Explain turns an error of a request into one for the person at the command line.
func (c *Client) Explain(what string, err error) error {
	return c.ExplainWith(what, err, "")
}

// ExplainWith is Explain with the message that the broker sent along.
func (c *Client) ExplainWith(what string, err error, message string) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*kerr.Error](err); !ok && !errors.Is(err, context.Canceled) {
		if addr, dialErr := c.dials.last(); dialErr != nil {
			return &fault.Error{
				Primary: "cannot " + what, Cause: err,
				Detail: "broker " + addr + " cannot be reached: " + dialCause(dialErr),
				Hint:   "the cluster advertises this address to its clients; it must be reachable from here (advertised.listeners)",
			}
		}
	}
	return fault.Kafka(what, err, message)
}

// Refused is the error of an answer with an error code and the broker's own words for it; nil for code 0.
func (c *Client) Refused(what string, code int16, message *string) error {
	return c.ExplainWith(what, Failure(code), Text(message))
}

func (c *Client) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Failed("interrupted: %w", err)
	}
	servers := strings.Join(c.env.Bootstrap, ", ")
	out := &fault.Error{Primary: "cannot reach a broker at " + servers, Cause: err, Detail: err.Error()}
	_, dialErr := c.dials.last()
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		out.Primary = "the cluster does not accept this user and password"
		out.Hint = "--user, --password and --sasl-mechanism say who you are"
	case dialErr != nil && isTLS(dialErr):
		out.Detail = dialErr.Error()
		out.Hint = "--tls-ca names the authority that signed the broker's certificate, --tls-cert and --tls-key yours"
	case strings.Contains(err.Error(), "unexpected data in oauth response"): // the client's words for the reason that a refusal holds
		out.Primary, out.Detail = "the cluster does not accept this token", ""
		out.Hint = "is it expired, and made by the issuer and for the audience that the broker expects?"
	case dialErr != nil && c.dials.tls != nil && !isDialing(dialErr):
		out.Detail = "the connection ended before TLS was agreed on: " + dialCause(dialErr)
		out.Hint = "is that a listener with TLS? Without --tls and --tls-… the connection is not encrypted"
	case dialErr != nil:
		out.Detail = dialCause(dialErr)
		out.Hint = `start one with "leat up", or say where it is with --bootstrap-servers HOST:PORT or LEAT_BOOTSTRAP_SERVERS`
	case errors.Is(err, context.DeadlineExceeded):
		out.Detail = "connected, but no answer within " + c.env.Timeout.String()
		out.Hint = "is that a Kafka listener? --timeout waits longer, --verbose shows the requests"
	case errors.Is(err, io.EOF), errors.Is(err, kgo.ErrClientClosed), isProtocolNoise(err):
		out.Detail = "the server at this address does not answer in the Kafka protocol: " + err.Error()
		out.Hint = "check the port; a listener with TLS or SASL cannot be used without them"
	}
	return out
}

func isProtocolNoise(err error) bool {
	s := err.Error()
	return strings.Contains(s, "invalid large response size") || strings.Contains(s, "broker closed the connection") ||
		strings.Contains(s, "not enough data") || strings.Contains(s, "connection reset")
}

// dialLog remembers the addresses that could not be connected to, because the client retries and in the end only
// reports that time ran out.
type dialLog struct {
	mu     sync.Mutex
	failed map[string]error
	recent string
	tls    *tls.Config // nil for none
}

func (d *dialLog) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var conn net.Conn
	var err error
	if d.tls != nil {
		conn, err = dialTLS(ctx, network, addr, d.tls)
	} else {
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		delete(d.failed, addr)
	case ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded):
		d.failed[addr], d.recent = err, addr
	}
	return conn, err
}

func (d *dialLog) last() (addr string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.recent, d.failed[d.recent]
}

// isDialing tells an address that cannot be reached from one where something answered.
func isDialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func dialCause(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		if op.Timeout() {
			return "connecting took too long"
		}
		return op.Err.Error()
	}
	return err.Error()
}

// Topics returns the named topics, or an error that names those which are near to an unknown one. Without names
// it returns all topics, internal ones included.
func (c *Client) Topics(ctx context.Context, names ...string) (kadm.TopicDetails, error) {
	ctx, cancel := c.env.Deadline(ctx)
	defer cancel()
	details, err := c.Admin.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return nil, c.Explain("read the cluster's metadata", err)
	}
	for _, name := range names {
		d, ok := details[name]
		switch {
		case !ok, errors.Is(d.Err, kerr.UnknownTopicOrPartition), errors.Is(d.Err, kerr.UnknownTopicID):
			return nil, c.UnknownTopic(ctx, name)
		case d.Err != nil:
			return nil, c.Explain(`read topic "`+name+`"`, d.Err)
		}
	}
	return details, nil
}

// UnknownTopic is the error for a topic that does not exist.
func (c *Client) UnknownTopic(ctx context.Context, name string) error {
	var known []string
	if all, err := c.Admin.ListTopicsWithInternal(ctx); err == nil {
		known = all.Names()
	}
	return (&fault.Error{Primary: `unknown topic "` + name + `"`, Cause: kerr.UnknownTopicOrPartition}).
		WithHint("%s", fault.DidYouMean(name, known, `"leat topic list" shows the topics, "leat topic create `+name+`" makes this one`))
}

// UnknownGroup is the error for a consumer group that does not exist.
func (c *Client) UnknownGroup(ctx context.Context, name string) error {
	var known []string
	if all, err := c.Admin.ListGroups(ctx); err == nil {
		known = all.Groups()
	}
	return (&fault.Error{Primary: `unknown group "` + name + `"`, Cause: kerr.GroupIDNotFound}).
		WithHint("%s", fault.DidYouMean(name, known, `"leat group list" shows the groups`))
}

// IsUnknownBroker tells whether a request failed because the cluster has no broker of that id. The client has no error of its
// own for that.
func IsUnknownBroker(err error) bool {
	return err != nil && (errors.Is(err, kerr.BrokerNotAvailable) || strings.Contains(err.Error(), "unknown broker"))
}

// UnknownBroker is the error for a broker that is not running.
func (c *Client) UnknownBroker(ctx context.Context, id string) error {
	ids, err := c.Brokers(ctx)
	if err != nil {
		return fault.Failed("the cluster has no broker %s", id)
	}
	return fault.Failed("the cluster has no broker %s", id).WithHint("its brokers are %s", strings.Join(ids, ", "))
}

// Brokers are the ids of the running brokers.
func (c *Client) Brokers(ctx context.Context) ([]string, error) {
	brokers, err := c.Admin.ListBrokers(ctx)
	var ids []string
	for _, b := range brokers {
		ids = append(ids, strconv.Itoa(int(b.NodeID)))
	}
	return ids, err
}

// Partitions picks the wanted partitions of a topic, all of them if none are named, in order.
func Partitions(d kadm.TopicDetail, wanted []int32) ([]int32, error) {
	all := d.Partitions.Numbers()
	slices.Sort(all)
	if len(wanted) == 0 {
		return all, nil
	}
	for _, p := range wanted {
		if _, ok := d.Partitions[p]; !ok {
			return nil, fault.Failed("topic %q has no partition %d", d.Topic, p).
				WithHint("its partitions are 0 to %d", len(all)-1)
		}
	}
	return wanted, nil
}

// awaitPause is the time between two looks at the metadata while a new topic spreads.
const awaitPause = 20 * time.Millisecond

// CreateTopic creates a topic and waits until the cluster serves it: Kafka answers before its brokers know.
// Minus one for partitions and replicas means the broker's defaults; a topic that exists is fine.
func (c *Client) CreateTopic(ctx context.Context, name string, partitions int32, replicas int16, settings map[string]*string) error {
	ctx, cancel := c.env.Deadline(ctx)
	defer cancel()
	a, err := c.Admin.CreateTopic(ctx, partitions, replicas, settings, name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return c.ExplainWith(`create topic "`+name+`"`, err, a.ErrMessage)
	}
	pause := time.NewTicker(awaitPause)
	defer pause.Stop()
	for {
		details, err := c.Admin.ListTopicsWithInternal(ctx, name)
		if d, ok := details[name]; err == nil && ok && d.Err == nil && len(d.Partitions) > 0 && d.Partitions[0].Leader >= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return c.Explain(`wait for topic "`+name+`"`, ctx.Err())
		case <-pause.C:
		}
	}
}

// Lost reports the broker that cannot be connected to at the moment, if there is one. Clients retry for as long
// as they live; work that should end asks here why nothing comes.
func (c *Client) Lost() error {
	addr, err := c.dials.last()
	if err == nil {
		return nil
	}
	return &fault.Error{
		Primary: "lost the connection to broker " + addr, Detail: dialCause(err), Cause: err,
		Hint: "is the broker still running? --timeout sets how long to keep trying",
	}
}
