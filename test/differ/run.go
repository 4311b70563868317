package differ

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Answer is what a broker made of one request of the list.
type Answer struct {
	Script  string
	Case    string // the request's name and variant
	Key     kmsg.Key
	Version int16  // of the request
	Round   int16  // of the part: the version that its own API had at that time
	Text    string // JSON of the normalized answer, or what happened in its place
}

// Side is a broker that goes through the list.
type Side struct {
	Addr    string
	Secured string // the listener that wants a login, if there is one
	// Kafka answers before what was changed can be seen everywhere, so each change is followed by a moment's wait.
	Kafka    bool
	Versions Versions // what it advertises: the rest of the list is not sent
	// Recorded, if set, is what the answers are expected to be: for none nobody waits long.
	Recorded Record
	// Progress, if set, is called with what is sent next.
	Progress func(string)

	normal normalizer
	main   *wire // the list goes over it
	aside  *wire // questions that are not in the list
	saved  map[string]any
	// partitions by topic as they were last seen, and those that are new since awaitLeaders.
	partitions, fresh map[string]int
	script            *Script
	limit             time.Duration
	seen              map[recordKey]bool
	logins            map[string]*wire // by mechanism, user and password
	out               []Answer
}

// changes are the APIs whose effects Kafka shows a moment after the answer.
var changes = map[kmsg.Key]bool{
	kmsg.CreateTopics: true, kmsg.DeleteTopics: true, kmsg.CreatePartitions: true, kmsg.AlterConfigs: true, kmsg.IncrementalAlterConfigs: true,
	kmsg.CreateACLs: true, kmsg.DeleteACLs: true, kmsg.AlterUserSCRAMCredentials: true, kmsg.AlterClientQuotas: true, kmsg.UpdateFeatures: true,
	kmsg.CreateDelegationToken: true, kmsg.RenewDelegationToken: true, kmsg.ExpireDelegationToken: true,
}

// silence is how long a request is given that is known to get no answer.
const silence = 700 * time.Millisecond

const settle = 25 * time.Millisecond

// Connect asks what the broker serves and waits until its coordinators do.
func (s *Side) Connect(ctx context.Context) error {
	s.main, s.aside = &wire{addr: s.Addr, limit: s.patience()}, &wire{addr: s.Addr, limit: s.patience()}
	s.logins = map[string]*wire{}
	s.fresh, s.seen = map[string]int{}, map[recordKey]bool{}
	s.normal = normalizer{now: time.Now(), topics: map[[16]byte]string{}}
	resp, _, err := s.send(s.main, kmsg.NewPtrApiVersionsRequest(), 0)
	if err != nil {
		return err
	}
	s.Versions = fromResponse(resp.(*kmsg.ApiVersionsResponse))
	if err := s.awaitCoordinators(ctx); err != nil {
		return err
	}
	return s.learnTopics()
}

// patience is how long to wait for an answer.
func (s *Side) patience() time.Duration {
	if s.Kafka {
		return answerLimit
	}
	return busyLimit
}

func (s *Side) awaitCoordinators(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := "never asked"
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the coordinators do not come up, last answer %s: %w", last, ctx.Err())
		case <-tick.C:
		}
		ready := true
		for kind := range int8(2) {
			find := kmsg.NewPtrFindCoordinatorRequest()
			find.CoordinatorKeys, find.CoordinatorType = []string{"a"}, kind
			if _, _, err := s.send(s.main, find, 4); err != nil {
				return err
			}
		}
		describe := kmsg.NewPtrDescribeTransactionsRequest()
		fetch := kmsg.NewPtrOffsetFetchRequest()
		for i := range 64 {
			describe.TransactionalIDs = append(describe.TransactionalIDs, fmt.Sprint("nobody", i))
			g := kmsg.NewOffsetFetchRequestGroup()
			g.Group = fmt.Sprint("nobody", i)
			fetch.Groups = append(fetch.Groups, g)
		}
		for _, req := range []kmsg.Request{describe, fetch} {
			resp, _, err := s.send(s.main, req, min(req.MaxVersion(), 9))
			if err != nil {
				return err
			}
			last = compact(s.normal.tree(resp))
			ready = ready && !strings.Contains(last, "COORDINATOR")
		}
		if ready {
			return nil
		}
	}
}

// send is for requests outside the list.
func (s *Side) send(w *wire, req kmsg.Request, version int16) (kmsg.Response, string, error) {
	req.SetVersion(version)
	body, outcome, err := w.ask(req.Key(), version, req.IsFlexible(), req.AppendTo(nil), false)
	if err != nil {
		return nil, "", err
	}
	if outcome != "" {
		return nil, outcome, fmt.Errorf("%s v%d: %s", kmsg.NameForKey(req.Key()), version, outcome)
	}
	resp, bad := decode(req, version, body)
	if resp == nil {
		return nil, "", errors.New(bad)
	}
	return resp, bad, nil
}

// learnTopics remembers the names of topic ids, also those of topics that are gone later.
func (s *Side) learnTopics() error {
	req := kmsg.NewPtrMetadataRequest()
	resp, _, err := s.send(s.aside, req, 12)
	if err != nil {
		return err
	}
	m := resp.(*kmsg.MetadataResponse)
	s.normal.cluster = *m.ClusterID
	now := map[string]int{}
	for _, t := range m.Topics {
		if t.Topic == nil || t.ErrorCode != 0 {
			continue
		}
		s.normal.topics[t.TopicID] = *t.Topic
		now[*t.Topic] = len(t.Partitions)
		if s.partitions[*t.Topic] != len(t.Partitions) {
			s.fresh[*t.Topic] = len(t.Partitions)
		}
	}
	maps.DeleteFunc(s.fresh, func(name string, _ int) bool { return s.partitions[name] > 0 && now[name] == 0 })
	s.partitions = now
	return nil
}

// created notes topics that may be seen later than the answer that tells of them.
func (s *Side) created(req kmsg.Request, resp kmsg.Response) {
	asked, ok := req.(*kmsg.CreateTopicsRequest)
	if !ok {
		return
	}
	for _, t := range resp.(*kmsg.CreateTopicsResponse).Topics {
		s.normal.topics[t.TopicID] = t.Topic
		if t.ErrorCode == 0 && !asked.ValidateOnly && s.partitions[t.Topic] == 0 {
			s.fresh[t.Topic] = 1
		}
	}
}

// awaitLeaders waits until the partitions that are new can be asked: Kafka answers CreateTopics before.
func (s *Side) awaitLeaders(ctx context.Context) error {
	tick := time.NewTicker(settle)
	defer tick.Stop()
	for s.Kafka && len(s.fresh) > 0 {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		for name, partitions := range s.fresh {
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = name
			for p := range partitions {
				part := kmsg.NewListOffsetsRequestTopicPartition()
				part.Partition, part.Timestamp = int32(p), -1
				topic.Partitions = append(topic.Partitions, part)
			}
			req.Topics = append(req.Topics, topic)
		}
		resp, _, err := s.send(s.aside, req, 5)
		if err != nil {
			return err
		}
		if !strings.Contains(compact(s.normal.tree(resp)), "ErrorCode") {
			clear(s.fresh)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("topics %v do not come up: %w", s.fresh, ctx.Err())
		case <-tick.C:
		}
		if err := s.learnTopics(); err != nil {
			return err
		}
	}
	return nil
}

// Run goes through the scripts.
func (s *Side) Run(ctx context.Context, scripts []*Script, advertised Versions) ([]Answer, error) {
	for _, script := range scripts {
		s.script, s.saved = script, map[string]any{}
		s.main.close()
		for i := range script.Parts {
			if err := s.part(ctx, &script.Parts[i], advertised); err != nil {
				return nil, fmt.Errorf("%s: %w", script.Name, err)
			}
		}
		if err := s.unserved(ctx, script, advertised); err != nil {
			return nil, fmt.Errorf("%s: %w", script.Name, err)
		}
	}
	return s.out, nil
}

func (s *Side) part(ctx context.Context, p *Part, advertised Versions) error {
	low, high := p.Min, p.Max
	if p.Once {
		low, high = 0, 0
	}
	for v := low; v <= high; v++ {
		for i := range p.Requests {
			t := &p.Requests[i]
			version := t.version(p.Once, v, advertised)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := s.template(ctx, t, v, version); err != nil {
				return fmt.Errorf("%s v%d: %w", t.Name, version, err)
			}
		}
	}
	return nil
}

// unserved sends a script's first request in the versions around those that are served.
func (s *Side) unserved(ctx context.Context, script *Script, advertised Versions) error {
	for i := range script.Parts {
		for _, t := range script.Parts[i].Requests {
			if script.Denied || script.Parts[i].Once || t.Key != script.API || t.Version >= 0 || t.Key == kmsg.ApiVersions {
				continue
			}
			t.Name, t.Vary, t.Save, t.Until = "a version that is not served", nil, nil, [2]string{}
			for _, v := range []int16{advertised[t.Key][0] - 1, advertised[t.Key][1] + 1} {
				if t.Version = v; v < 0 {
					continue
				}
				if err := s.template(ctx, &t, v, v); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return nil
}

// version is the one that a request is sent in.
func (t *Template) version(once bool, part int16, advertised Versions) int16 {
	switch {
	case t.Version >= 0:
		return t.Version
	case once:
		return advertised[t.Key][1]
	}
	return max(min(part, advertised[t.Key][1]), advertised[t.Key][0])
}

// template sends a request and its variants in one version. partVersion is what $v means.
func (s *Side) template(ctx context.Context, t *Template, partVersion, version int16) error {
	variants, err := t.variants()
	if err != nil {
		return err
	}
	for i := range variants {
		name := t.Name
		if variants[i].name != "" {
			name += " " + variants[i].name
		}
		served, ok := s.Versions[t.Key]
		if !ok || t.Version < 0 && (version > served[1] || version < served[0]) {
			s.add(Answer{s.script.Name, name, t.Key, version, partVersion, notServed})
			continue
		}
		sc := &scope{version: partVersion, n: i, saved: s.saved, topicID: s.topicID, lenient: s.script.Denied}
		req, body, ok, err := t.encode(sc, &variants[i], version)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !ok {
			continue
		}
		if s.Progress != nil {
			s.Progress(fmt.Sprintf("%s: %s v%d", s.script.Name, name, version))
		}
		s.limit = s.patience()
		if s.Recorded[recordKey{s.script.Name, name, partVersion}] == overtime {
			if s.limit = answerLimit; s.Kafka {
				s.limit = silence
			}
		}
		text, err := s.exchange(ctx, t, req, version, body, i == 0)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.add(Answer{s.script.Name, name, t.Key, version, partVersion, text})
	}
	return nil
}

// add numbers answers to cases of the same name.
func (s *Side) add(a Answer) {
	name := a.Case
	for n := 2; s.seen[a.key()]; n++ {
		a.Case = fmt.Sprintf("%s (%d)", name, n)
	}
	s.seen[a.key()] = true
	s.out = append(s.out, a)
}

// notServed stands for the answers of an API that the broker does not advertise.
const notServed = "not served"

// exchange sends a body, until the answer is what the script waits for, and returns the answer's form.
func (s *Side) exchange(ctx context.Context, t *Template, req kmsg.Request, version int16, body []byte, original bool) (string, error) {
	w := s.main
	if t.Secured {
		w = &wire{addr: s.Secured, limit: s.patience()}
		defer w.close()
	}
	if t.Login != nil {
		var err error
		if w, err = s.loggedIn(t.Login); err != nil {
			return "", err
		}
	}
	produce, isProduce := req.(*kmsg.ProduceRequest)
	silent := isProduce && produce.Acks == 0
	tick := time.NewTicker(settle)
	defer tick.Stop()
	w.limit = s.limit
	awaited := original && t.Until[0] != ""
	for try := 0; ; try++ {
		answer, outcome, err := w.ask(int16(t.Key), version, req.IsFlexible(), body, silent)
		if outcome == overtime && awaited && try < 5 {
			continue
		}
		if err != nil || outcome != "" {
			return outcome, err
		}
		resp, bad := decode(req, version, answer)
		if resp == nil {
			return bad, nil
		}
		if changes[t.Key] {
			if s.Kafka {
				<-tick.C
			}
			if err := s.learnTopics(); err != nil {
				return "", err
			}
			s.created(req, resp)
			if err := s.awaitLeaders(ctx); err != nil {
				return "", err
			}
		}
		root := reflect.ValueOf(resp).Elem()
		tree := s.normal.tree(resp)
		if awaited && try < 200 {
			f, err := at(root, t.Until[0])
			if err != nil || fmt.Sprint(indirect(f)) != t.Until[1] {
				select {
				case <-ctx.Done():
					return "", ctx.Err()
				case <-tick.C:
				}
				continue
			}
		}
		if original {
			for _, save := range t.Save {
				f, err := at(root, save[1])
				if err != nil {
					return "", fmt.Errorf("save %s: %w; the answer: %s", save[0], err, compact(tree))
				}
				s.saved[save[0]] = indirect(f)
			}
		}
		keep(tree, t.Only)
		if bad != "" {
			tree["bytes"] = bad
		}
		return compact(tree), nil
	}
}

func indirect(v reflect.Value) any {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return v.Interface()
}

// keep leaves only those elements of arrays in the tree that hold a text. A path goes through all elements of an array.
func keep(tree map[string]any, only [][2]string) {
	for _, o := range only {
		keepAt(tree, strings.Split(o[0], "."), o[1])
	}
}

func keepAt(node any, path []string, text string) {
	if all, ok := node.([]any); ok {
		for _, e := range all {
			keepAt(e, path, text)
		}
		return
	}
	m, ok := node.(map[string]any)
	if !ok {
		return
	}
	if len(path) > 1 {
		keepAt(m[path[0]], path[1:], text)
		return
	}
	all, ok := m[path[0]].([]any)
	if !ok {
		return
	}
	kept := []any{}
	for _, e := range all {
		if strings.Contains(compact(e), text) {
			kept = append(kept, e)
		}
	}
	m[path[0]] = kept
}

// topicID asks for a topic's id; zero when there is none.
func (s *Side) topicID(name string) [16]byte {
	_ = s.learnTopics() // an id that is missing shows in the answer
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	req.Topics = append(req.Topics, topic)
	resp, _, err := s.send(s.aside, req, 12)
	if err != nil {
		return [16]byte{}
	}
	return resp.(*kmsg.MetadataResponse).Topics[0].TopicID
}

// loggedIn is the connection of somebody, made when it is first needed or was closed.
func (s *Side) loggedIn(how []string) (*wire, error) {
	name := strings.Join(how, " ")
	w := s.logins[name]
	if w == nil {
		w = &wire{addr: s.Secured, limit: s.patience()}
		s.logins[name] = w
	}
	if w.conn != nil {
		return w, nil
	}
	return w, s.login(w, how)
}

// login authenticates a connection with SASL PLAIN or as a token's owner.
func (s *Side) login(w *wire, how []string) error {
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Mechanism = how[0]
	if _, _, err := s.send(w, handshake, 1); err != nil {
		return err
	}
	auth := kmsg.NewPtrSASLAuthenticateRequest()
	auth.SASLAuthBytes = []byte("\x00" + how[1] + "\x00" + how[2])
	resp, _, err := s.send(w, auth, 1)
	if err != nil {
		return err
	}
	if code := resp.(*kmsg.SASLAuthenticateResponse).ErrorCode; code != 0 {
		return fmt.Errorf("login of %s: %s", how[1], errorName(code))
	}
	return nil
}
