package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// Kinds of applications: by whose protocol their group works.
const (
	kindLeat  = "leat"          // this project's library, classic group
	kindJava  = "kafka-streams" // Kafka Streams, classic group
	kindGroup = "streams-group" // either, in a streams group of KIP-1071
	kindIdle  = "idle"          // nobody is there: the protocol of an empty classic group is not kept
	kindBusy  = "rebalancing"   // a classic group between two generations does not tell what its members are
)

// The group protocols that members of applications speak. Empty classic groups keep none.
var kindsByProtocol = map[string]string{"leat-streams": kindLeat, "stream": kindJava}

// application is a group as an application of streams.
type application struct {
	Application string         `json:"application"`
	Kind        string         `json:"kind"`
	State       string         `json:"state"`
	Coordinator int32          `json:"coordinator"`
	Topology    string         `json:"topology,omitempty"` // a hash, or the epoch of a streams group's topology
	Members     []appMember    `json:"members"`
	Subtopology []subtopology  `json:"subtopologies,omitempty"` // of a streams group
	Internal    []internal     `json:"internal_topics"`
	sources     map[string]int // sub-topology by topic, where the group tells it
}

type appMember struct {
	Member   string `json:"member"`
	Instance string `json:"instance_id,omitempty"`
	ClientID string `json:"client_id"`
	Host     string `json:"host"`
	told
	Partitions map[string][]int32 `json:"partitions"` // it reads
	Unreadable string             `json:"unreadable,omitempty"`
}

// subtopology is a part of an application in a streams group.
type subtopology struct {
	ID         string   `json:"id"`
	Reads      []string `json:"reads"`
	Changelogs []string `json:"changelogs,omitempty"`
}

// internal is a topic that an application made for itself.
type internal struct {
	Topic      string `json:"topic"`
	Partitions int    `json:"partitions"`
}

// find asks for the application, whatever kind of group it is.
func find(ctx context.Context, c *command.Client, name string) (*application, error) {
	what := fmt.Sprintf("describe application %q", name)
	groups, err := c.Admin.DescribeGroups(ctx, name)
	if err != nil && len(groups) == 0 {
		return nil, c.Explain(what, err)
	}
	g := groups[name]
	var a *application
	switch {
	case errors.Is(g.Err, kerr.GroupIDNotFound), g.Err == nil && g.State == "Dead":
		if a, err = findGroup(ctx, c, name); err != nil {
			return nil, err
		}
		if a == nil {
			return nil, unknown(ctx, c, name)
		}
	case g.Err != nil:
		return nil, c.ExplainWith(what, g.Err, g.ErrMessage)
	default:
		if a = classic(&g); a == nil {
			return nil, fault.Failed("group %q is no application of streams", name).
				WithDetail("its members speak the protocol %q", g.Protocol).
				WithHint(`"leat group describe %s" shows it; "leat streams list" shows applications`, name)
		}
	}
	a.Application = name
	if a.Internal, err = internals(ctx, c, name); err != nil {
		return nil, err
	}
	if a.Kind == kindBusy && len(a.Internal) == 0 {
		return nil, fault.Failed("group %q is rebalancing", name).
			WithDetail("its members do not tell what they are until it is done").
			WithHint("try again; a member that died without leaving is waited for until its session times out")
	}
	return a, nil
}

// unknown is the error for a group that is not there; near ones are named.
func unknown(ctx context.Context, c *command.Client, name string) error {
	err := c.UnknownGroup(ctx, name)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		f.Primary = fmt.Sprintf("unknown application %q", name)
		f.Detail = "no group has this name, and an application's group is named as its application id"
	}
	return err
}

// classic is a classic group as an application; nil if it is something else.
func classic(g *kadm.DescribedGroup) *application {
	kind := kindsByProtocol[g.Protocol]
	if kind == "" && len(g.Members) > 0 { // while it rebalances a group has no protocol
		kind = kindOfMembers(g)
	}
	switch {
	case kind == "" && len(g.Members) == 0:
		kind = kindIdle
	case kind == "" && g.Protocol == "" && strings.HasSuffix(g.State, "Rebalance"):
		kind = kindBusy
	case kind == "":
		return nil
	}
	a := &application{Kind: kind, State: g.State, Coordinator: g.Coordinator.NodeID, Members: []appMember{}}
	for i := range g.Members {
		m := memberOf(kind, &g.Members[i])
		if kind == kindBusy {
			m.Unreadable = ""
		}
		if m.Topology != "" && a.Topology == "" {
			a.Topology = m.Topology
		} else if m.Topology != "" && m.Topology != a.Topology {
			a.Topology = "several"
		}
		for sub, topics := range m.reads {
			for _, t := range topics {
				if a.sources == nil {
					a.sources = map[string]int{}
				}
				a.sources[t] = sub
			}
		}
		a.Members = append(a.Members, m)
	}
	slices.SortFunc(a.Members, func(x, y appMember) int {
		return cmp.Or(strings.Compare(x.Process, y.Process), strings.Compare(x.ClientID, y.ClientID), strings.Compare(x.Member, y.Member))
	})
	return a
}

func kindOfMembers(g *kadm.DescribedGroup) string {
	if c, ok := g.Members[0].Join.AsConsumer(); ok {
		var data told
		if data.readSubscription(c.UserData) == nil {
			return kindJava
		}
		if d, err := readOurs(c.UserData, nil); err == nil && d.Process != "" {
			return kindLeat
		}
	}
	return ""
}

func memberOf(kind string, g *kadm.DescribedGroupMember) appMember {
	m := appMember{Member: g.MemberID, Instance: command.Text(g.InstanceID), ClientID: g.ClientID, Host: g.ClientHost, Partitions: map[string][]int32{}}
	var joined, given []byte
	if c, ok := g.Join.AsConsumer(); ok {
		joined = c.UserData
	}
	if c, ok := g.Assigned.AsConsumer(); ok {
		given = c.UserData
		for _, t := range c.Topics {
			m.Partitions[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
		}
	}
	read := readOurs
	if kind == kindJava {
		read = readJava
	}
	var err error
	if m.told, err = read(joined, given); err != nil {
		m.Unreadable = err.Error()
	}
	return m
}

// findGroup asks for a streams group; nil if there is none, or the cluster has no such groups.
func findGroup(ctx context.Context, c *command.Client, name string) (*application, error) {
	what := fmt.Sprintf("describe application %q", name)
	found := c.Admin.FindGroupCoordinators(ctx, name)[name]
	if found.Err != nil {
		return nil, c.Explain(what, found.Err)
	}
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups = []string{name}
	resp, err := req.RequestWith(ctx, c.Broker(int(found.NodeID)))
	if err != nil || len(resp.Groups) == 0 {
		return nil, nil //nolint:nilerr // an older cluster, or one without this protocol
	}
	g := &resp.Groups[0]
	switch g.ErrorCode {
	case 0:
		return groupApplication(g, found.NodeID), nil
	case kerr.GroupIDNotFound.Code, kerr.UnsupportedVersion.Code:
		return nil, nil
	}
	return nil, c.Refused(what, g.ErrorCode, g.ErrorMessage)
}

func groupApplication(g *kmsg.StreamsGroupDescribeResponseGroup, coordinator int32) *application {
	a := &application{Kind: kindGroup, State: g.State, Coordinator: coordinator, Members: []appMember{}, sources: map[string]int{}}
	if g.Topology != nil {
		a.Topology = "epoch " + strconv.Itoa(int(g.Topology.Epoch))
		for i := range g.Topology.Subtopologies {
			s := &g.Topology.Subtopologies[i]
			sub := subtopology{ID: s.SubtopologyID, Reads: slices.Clone(s.SourceTopics)}
			for _, t := range s.RepartitionSourceTopics {
				sub.Reads = append(sub.Reads, t.Topic)
			}
			for _, t := range s.StateChangelogTopics {
				sub.Changelogs = append(sub.Changelogs, t.Topic)
			}
			if n, err := strconv.Atoi(sub.ID); err == nil {
				for _, t := range sub.Reads {
					a.sources[t] = n
				}
			}
			a.Subtopology = append(a.Subtopology, sub)
		}
	}
	for i := range g.Members {
		m := &g.Members[i]
		out := appMember{Member: m.MemberID, Instance: command.Text(m.InstanceID), ClientID: m.ClientID, Host: m.ClientHost, Partitions: map[string][]int32{}}
		out.told = told{
			Process: m.ProcessID, Rack: command.Text(m.RackID), Version: "epoch " + strconv.Itoa(int(m.MemberEpoch)),
			Active: taskIDs(m.Assignment.ActiveTasks), Standby: taskIDs(m.Assignment.StandbyTasks), Warmup: taskIDs(m.Assignment.WarmupTasks),
		}
		if m.UserEndpoint != nil {
			out.Endpoint = fmt.Sprintf("%s:%d", m.UserEndpoint.Host, m.UserEndpoint.Port)
		}
		for _, tag := range m.ClientTags {
			if out.Tags == nil {
				out.Tags = map[string]string{}
			}
			out.Tags[tag.Key] = tag.Value
		}
		for _, t := range m.Assignment.ActiveTasks {
			for _, s := range a.Subtopology {
				if s.ID == t.SubtopologyID {
					for _, topic := range s.Reads {
						out.Partitions[topic] = slices.Sorted(slices.Values(t.Partitions))
					}
				}
			}
		}
		a.Members = append(a.Members, out)
	}
	return a
}

func taskIDs(tasks []kmsg.TaskIDs) []string {
	out := []string{}
	for _, t := range tasks {
		for _, p := range slices.Sorted(slices.Values(t.Partitions)) {
			out = append(out, t.SubtopologyID+"_"+strconv.Itoa(int(p)))
		}
	}
	return out
}

// foreignKey matches the topics of foreign-key joins, as Kafka's application reset does.
var foreignKey = regexp.MustCompile(`^.*-KTABLE-FK-JOIN-SUBSCRIPTION-(REGISTRATION|RESPONSE)-\d+-topic$`)

// isInternal tells whether a topic's name is one that an application of this id gives to topics of its own.
func isInternal(application, topic string) bool {
	if !strings.HasPrefix(topic, application+"-") {
		return false
	}
	for _, end := range []string{"-changelog", "-repartition", "-subscription-registration-topic", "-subscription-response-topic"} {
		if strings.HasSuffix(topic, end) {
			return true
		}
	}
	return foreignKey.MatchString(topic)
}

// internals lists the internal topics of an application, by name.
func internals(ctx context.Context, c *command.Client, application string) ([]internal, error) {
	all, err := c.Admin.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, c.Explain("read the cluster's metadata", err)
	}
	out := []internal{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name].Err == nil && isInternal(application, name) {
			out = append(out, internal{Topic: name, Partitions: len(all[name].Partitions)})
		}
	}
	return out, nil
}
