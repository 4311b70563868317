package group

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/script"
)

// TestLive runs the scripts of testdata/live against the broker at
// LEAT_GROUPS_BROKER, normally Apache Kafka, and compares its answers with what
// the scripts expect of the state machine. The broker must run with
//
//	group.initial.rebalance.delay.ms=400
//	group.min.session.timeout.ms=100
//	group.consumer.min.session.timeout.ms=100
//	group.consumer.session.timeout.ms=2000
//	group.consumer.min.heartbeat.interval.ms=10
//	group.consumer.heartbeat.interval.ms=100
//	group.share.min.session.timeout.ms=100
//	group.share.session.timeout.ms=6000
//	group.share.min.heartbeat.interval.ms=10
//	group.share.heartbeat.interval.ms=100
//	group.share.assignment.interval.ms=0
//	group.streams.min.session.timeout.ms=100
//	group.streams.session.timeout.ms=2000
//	group.streams.min.heartbeat.interval.ms=10
//	group.streams.heartbeat.interval.ms=100
//	group.streams.initial.rebalance.delay.ms=0
//	group.streams.assignment.interval.ms=0
//	share.coordinator.state.topic.num.partitions=1
//	share.coordinator.state.topic.replication.factor=1
//	share.coordinator.state.topic.min.isr=1
//	offsets.topic.num.partitions=1
//
// and hold the topics t and u with four partitions each.
func TestLive(t *testing.T) {
	t.Parallel()
	addr := os.Getenv("LEAT_GROUPS_BROKER")
	if addr == "" {
		t.Skip("LEAT_GROUPS_BROKER is not set: no broker to compare with")
	}
	files, err := filepath.Glob("testdata/live/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	createOffsetsTopic(t, addr)
	createShareTopic(t, addr)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runLive(t, addr, string(text), recordsToo.MatchString(filepath.Base(file)))
		})
	}
}

// createOffsetsTopic makes the broker create __consumer_offsets, as a first
// consumer would, and waits until its coordinator serves.
func createOffsetsTopic(t *testing.T, addr string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version, find.CoordinatorKey = 1, "g"
		if _, err := roundTrip(addr, "c", find); err != nil {
			t.Fatal(err)
		}
		resp, err := roundTrip(addr, "c", &kmsg.ListGroupsRequest{Version: 5})
		if err != nil {
			t.Fatal(err)
		}
		fetch := parseCommand("fetch g t-0").request()
		offsets, err := roundTrip(addr, "c", fetch)
		if err != nil {
			t.Fatal(err)
		}
		if resp.(*kmsg.ListGroupsResponse).ErrorCode == 0 && offsets.(*kmsg.OffsetFetchResponse).Groups[0].ErrorCode == 0 {
			return
		}
		<-time.After(200 * time.Millisecond)
	}
	t.Fatal("the coordinator does not come up")
}

// createShareTopic makes the broker create __share_group_state, as a first member of
// a share group would.
func createShareTopic(t *testing.T, addr string) {
	t.Helper()
	req := parseCommand("share-beat warm-up m").request()
	if _, err := roundTrip(addr, "c", req); err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * time.Second)
}

// runLive carries a script out. With records, what the broker writes is compared
// as well.
func runLive(t *testing.T, addr, text string, records bool) {
	blocks, _ := script.Parse(text)
	w := &liveWorld{t: t, addr: addr, suffix: fmt.Sprintf(".%d", time.Now().UnixNano()), replies: make(chan liveReply, 100), uuids: map[string]string{}}
	w.topics = fetchTopics(t, addr)
	w.offsets.next = logEnd(t, addr)
	for _, b := range blocks {
		c := parseCommand(b.Command)
		if c.Verb == "settings" {
			continue
		}
		var want, written []string
		for line := range strings.Lines(b.Expect) {
			line = strings.TrimSpace(timePrefix.ReplaceAllString(line, ""))
			switch {
			case strings.HasPrefix(line, "send "), strings.HasPrefix(line, "create "): // between our coordinators, or by the broker
			case !strings.HasPrefix(line, "append "):
				want = append(want, line)
			case records && !strings.HasPrefix(line, "append group ") && !strings.HasPrefix(line, "append offset "):
				written = append(written, line)
			}
		}
		got := w.do(c, want)
		if records {
			want = append(want, written...)
			got = append(got, w.appended()...)
			w.rename(got, want)
			slices.Sort(got)
		}
		countShares(got)
		countShares(want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s\nthe broker:\n  %s\nthe script:\n  %s", b.Command, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// recordsToo are the scripts that compare the records, too.
var recordsToo = regexp.MustCompile(`^(consumer|share|streams)_`)

var (
	timePrefix = regexp.MustCompile(`^\[[^]]*\] `)
	uuidSuffix = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[A-Za-z0-9_-]{22}\b`)
)

type liveReply struct {
	id   int
	resp kmsg.Response
	err  error
}

// liveWorld sends each request on a connection of its own, since a broker answers
// a connection's requests one after the other.
type liveWorld struct {
	t        *testing.T
	addr     string
	suffix   string // makes group ids unique among runs
	requests int
	replies  chan liveReply
	topics   *topicTable
	offsets  offsetsReader

	mu    sync.Mutex
	uuids map[string]string // the counter in the script -> what the broker made
}

func (w *liveWorld) do(c command, want []string) []string {
	var got []string
	parked := false
	if c.Verb == "topic" {
		w.makeTopic(c.Arg(0), int32(c.Int("partitions", 0)))
	} else if c.Verb == "created" {
		w.awaitTopic(c.Arg(0))
	} else if c.Verb == "streams-config" {
		w.setStreamsConfig(c)
	} else if c.Verb == "advance" {
		d, err := time.ParseDuration(c.Arg(0))
		if err != nil {
			w.t.Fatal(err)
		}
		got = w.collect(d, -1)
	} else if req := c.request(); req != nil {
		w.requests++
		go w.send(w.requests, c, req)
		n := len(want)
		parked = slices.Contains(want, fmt.Sprintf("#%d parked", w.requests))
		if parked {
			n--
		}
		got = w.collect(5*time.Second, n)
		if strings.HasPrefix(c.Verb, "share-") {
			<-time.After(300 * time.Millisecond) // until the share coordinator has done its part
		}
		answered := slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("#%d ", w.requests)) })
		if !answered {
			got = append(got, fmt.Sprintf("#%d parked", w.requests))
		}
	}
	w.rename(got, want)
	slices.Sort(got)
	return got
}

// collect gathers n replies, or with n < 0 those that come within d; then it
// listens a little longer for any that should not have come.
func (w *liveWorld) collect(d time.Duration, n int) []string {
	var got []string
	deadline := time.After(d)
	for n != 0 {
		select {
		case r := <-w.replies:
			got = append(got, w.describe(r))
			n--
		case <-deadline:
			return got
		}
	}
	quiet := time.After(60 * time.Millisecond)
	for {
		select {
		case r := <-w.replies:
			got = append(got, w.describe(r))
		case <-quiet:
			return got
		}
	}
}

func (w *liveWorld) describe(r liveReply) string {
	if r.err != nil {
		return fmt.Sprintf("#%d %v", r.id, r.err)
	}
	var body any = r.resp
	switch resp := r.resp.(type) {
	case *kmsg.DescribeGroupsResponse:
		body = resp.Groups
	case *kmsg.ListGroupsResponse:
		body = slices.DeleteFunc(resp.Groups, func(g kmsg.ListGroupsResponseGroup) bool { return !strings.HasSuffix(g.Group, w.suffix) })
		if resp.ErrorCode != 0 {
			body = code(resp.ErrorCode)
		}
	case *kmsg.DeleteGroupsResponse:
		body = resp.Groups
	case *kmsg.ConsumerGroupDescribeResponse:
		body = resp.Groups
	case *kmsg.ShareGroupDescribeResponse:
		body = resp.Groups
	case *kmsg.StreamsGroupDescribeResponse:
		body = resp.Groups
	case *kmsg.OffsetFetchResponse:
		body = resp.Groups[0]
	}
	return fmt.Sprintf("#%d %s", r.id, strings.ReplaceAll(describeReply(body, w.topics.name), w.suffix, ""))
}

var memberField = regexp.MustCompile(`member=\S*?(\d+|` + uuidSuffix.String() + `)(?: |$)`)

// rename puts the script's counters in the place of the broker's UUIDs. A reply
// whose member field holds a new UUID tells which counter it stands for.
func (w *liveWorld) rename(got, want []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range got {
		m := memberField.FindStringSubmatch(line)
		if m == nil || !uuidSuffix.MatchString(m[1]) {
			continue
		}
		id, _, _ := strings.Cut(line, " ")
		for _, wl := range want {
			if wm := memberField.FindStringSubmatch(wl); wm != nil && strings.HasPrefix(wl, id+" ") && w.uuids[wm[1]] == "" {
				w.uuids[wm[1]] = m[1]
			}
		}
	}
	for i := range got {
		for n, uuid := range w.uuids {
			got[i] = strings.ReplaceAll(got[i], uuid, n)
		}
	}
}

// realID turns the script's member id into the broker's.
func (w *liveWorld) realID(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if real := w.uuids[id]; real != "" {
		return real
	}
	if i := strings.LastIndex(id, "-"); i >= 0 && w.uuids[id[i+1:]] != "" {
		return id[:i+1] + w.uuids[id[i+1:]]
	}
	return id
}

func (w *liveWorld) send(id int, c command, req kmsg.Request) {
	w.localize(req)
	resp, err := roundTrip(w.addr, c.Str("client", "c"), req)
	w.replies <- liveReply{id, resp, err}
}

// localize replaces the script's names by those of this run.
func (w *liveWorld) localize(req kmsg.Request) {
	group := func(g *string) {
		if *g != "" {
			*g += w.suffix
		}
	}
	member := func(m *string) { *m = w.realID(*m) }
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		group(&r.Group)
		member(&r.MemberID)
	case *kmsg.ConsumerGroupHeartbeatRequest:
		group(&r.Group)
		member(&r.MemberID)
		realTopicIDs(r, func(name string) [16]byte { return w.topics.byName[name] })
	case *kmsg.ConsumerGroupDescribeRequest:
		for i := range r.Groups {
			group(&r.Groups[i])
		}
	case *kmsg.ShareGroupHeartbeatRequest:
		group(&r.GroupID)
	case *kmsg.StreamsGroupHeartbeatRequest:
		group(&r.Group)
		w.localizeTopology(r.Topology)
	case *kmsg.StreamsGroupDescribeRequest:
		for i := range r.Groups {
			group(&r.Groups[i])
		}
	case *kmsg.ShareGroupDescribeRequest:
		for i := range r.GroupIDs {
			group(&r.GroupIDs[i])
		}
	case *kmsg.AlterShareGroupOffsetsRequest:
		group(&r.GroupID)
	case *kmsg.DeleteShareGroupOffsetsRequest:
		group(&r.GroupID)
	case *kmsg.SyncGroupRequest:
		group(&r.Group)
		member(&r.MemberID)
		for i := range r.GroupAssignment {
			member(&r.GroupAssignment[i].MemberID)
		}
	case *kmsg.HeartbeatRequest:
		group(&r.Group)
		member(&r.MemberID)
	case *kmsg.LeaveGroupRequest:
		group(&r.Group)
		member(&r.MemberID)
		for i := range r.Members {
			member(&r.Members[i].MemberID)
		}
	case *kmsg.DescribeGroupsRequest:
		for i := range r.Groups {
			group(&r.Groups[i])
		}
	case *kmsg.DeleteGroupsRequest:
		for i := range r.Groups {
			group(&r.Groups[i])
		}
	case *kmsg.OffsetCommitRequest:
		group(&r.Group)
		member(&r.MemberID)
	case *kmsg.OffsetFetchRequest:
		group(&r.Groups[0].Group)
		if len(r.Groups[0].Topics) == 0 {
			r.Groups[0].Topics = nil
		}
	case *kmsg.OffsetDeleteRequest:
		group(&r.Group)
	}
}

// roundTrip sends one request on a new connection.
func roundTrip(addr, clientID string, req kmsg.Request) (kmsg.Response, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	if _, err := conn.Write(f.AppendRequest(nil, req, 7)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	body = body[4:] // correlation id
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if req.IsFlexible() {
		body = body[1:] // no tagged fields
	}
	return resp, resp.ReadFrom(body)
}
