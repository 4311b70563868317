package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema"
)

// A miniature is just enough of a registry to hold the state of a recorded session: subjects and versions in
// memory, no deletes, modes or contexts. What it answers is decided by package schema.
type miniature struct {
	subjects map[string][]*stored
	levels   map[string]schema.Level
	ids      map[[16]byte]int
	types    map[[16]byte]schema.Type
	last     int
}

type stored struct {
	id, version int
	s           *schema.Schema
}

func newMiniature() *miniature {
	return &miniature{subjects: map[string][]*stored{}, levels: map[string]schema.Level{}, ids: map[[16]byte]int{}, types: map[[16]byte]schema.Type{}}
}

var (
	registerPath = regexp.MustCompile(`^/subjects/(\w[\w.-]*)/versions$`)
	lookupPath   = regexp.MustCompile(`^/subjects/(\w[\w.-]*)$`)
	versionPath  = regexp.MustCompile(`^/subjects/(\w[\w.-]*)/versions/([1-9][0-9]{0,8}|latest)(/schema)?$`)
	idPath       = regexp.MustCompile(`^/schemas/ids/(\$id\d+|\d+)/schema$`)
	checkPath    = regexp.MustCompile(`^/compatibility/subjects/(\w[\w.-]*)/versions(?:/([1-9][0-9]{0,8}|latest))?$`)
	configPath   = regexp.MustCompile(`^/config/(\w[\w.-]*)$`)
	knownQuery   = map[string]bool{"normalize": true, "verbose": true, "format": true}
)

// what the miniature can do with a request.
type service int

const (
	answered service = iota
	reads            // needs the whole registry, and changes nothing: the step can be left out
	changes          // needs the whole registry, and what follows depends on it
)

func served(q recordedRequest) service {
	path, query, _ := strings.Cut(q.Path, "?")
	values, err := url.ParseQuery(query)
	if err != nil || strings.Contains(path, "%") || strings.Contains(path, ":") || strings.Contains(path, "__") {
		return changes
	}
	other := changes
	if q.Method == "GET" || q.Method == "POST" && !registerPath.MatchString(path) {
		other = reads
	}
	for name, value := range q.Headers {
		if name != "Content-Type" || value != "application/vnd.schemaregistry.v1+json" {
			return other
		}
	}
	for key := range values {
		if !knownQuery[key] || key == "format" && q.Method == "POST" {
			return other
		}
	}
	switch q.Method {
	case "POST":
		var body struct {
			Schema     *string
			SchemaType *string
			ID         *int
			Version    *int
			References []schema.Reference
			Metadata   json.RawMessage
			RuleSet    json.RawMessage
		}
		if q.Raw != nil || json.Unmarshal(q.Body, &body) != nil || body.Schema == nil || *body.Schema == "" ||
			body.ID != nil || body.Version != nil || body.RuleSet != nil || body.Metadata != nil {
			return other
		}
		if registerPath.MatchString(path) || lookupPath.MatchString(path) || checkPath.MatchString(path) {
			return answered
		}
	case "GET":
		if versionPath.MatchString(path) || idPath.MatchString(path) && values.Get("format") != "" {
			return answered
		}
	case "PUT":
		var body map[string]any
		if configPath.MatchString(path) && json.Unmarshal(q.Body, &body) == nil && len(body) == 1 && body["compatibility"] != nil {
			return answered
		}
	}
	return other
}

type requestBody struct {
	Schema     string             `json:"schema"`
	SchemaType schema.Type        `json:"schemaType"`
	References []schema.Reference `json:"references"`
	Metadata   *schema.Metadata   `json:"metadata"`
}

type entity struct {
	Subject    string             `json:"subject,omitempty"`
	Version    int                `json:"version,omitempty"`
	ID         int                `json:"id,omitempty"`
	GUID       string             `json:"guid"`
	SchemaType schema.Type        `json:"schemaType"`
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	Schema     string             `json:"schema,omitempty"`
	TS         int                `json:"ts,omitempty"`
	Deleted    *bool              `json:"deleted,omitempty"`
}

func (st *stored) entity(subject string) entity {
	return entity{Subject: subject, Version: st.version, ID: st.id, GUID: st.s.GUID(), SchemaType: st.s.Type(),
		References: st.s.References(), Metadata: st.s.Metadata(), Schema: st.s.Text()}
}

func answer(status int, v any) (int, string) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return status, string(text)
}

func refuse(code int, format string, args ...any) (int, string) {
	status := code
	if code > 1000 {
		status = code / 100
	}
	return answer(status, map[string]any{"error_code": code, "message": fmt.Sprintf(format, args...)})
}

func (m *miniature) serve(method, target, body string) (int, string) {
	path, rawQuery, _ := strings.Cut(target, "?")
	query, _ := url.ParseQuery(rawQuery)
	var req requestBody
	if method == "POST" {
		if err := json.Unmarshal([]byte(body), &req); err != nil {
			return refuse(400, "%v", err)
		}
	}
	switch {
	case method == "PUT":
		var config struct{ Compatibility string }
		_ = json.Unmarshal([]byte(body), &config)
		level, err := schema.ParseLevel(config.Compatibility)
		if err != nil {
			return refuse(42203, "%v", err)
		}
		m.levels[configPath.FindStringSubmatch(path)[1]] = level
		return answer(200, map[string]any{"compatibility": level})
	case registerPath.MatchString(path):
		return m.register(registerPath.FindStringSubmatch(path)[1], req, query)
	case lookupPath.MatchString(path):
		return m.find(lookupPath.FindStringSubmatch(path)[1], req, query)
	case checkPath.MatchString(path):
		match := checkPath.FindStringSubmatch(path)
		return m.check(match[1], match[2], req, query)
	case versionPath.MatchString(path):
		match := versionPath.FindStringSubmatch(path)
		return m.version(match[1], match[2], match[3] != "", query)
	}
	id, _ := strconv.Atoi(idPath.FindStringSubmatch(path)[1])
	for _, list := range m.subjects {
		for _, st := range list {
			if st.id == id {
				text, err := st.s.Format(query.Get("format"))
				if err != nil {
					return refuse(422, "%v", err)
				}
				return 200, text
			}
		}
	}
	return refuse(40403, "Schema %d not found", id)
}

func isSet(query url.Values, name string) bool { return strings.EqualFold(query.Get(name), "true") }

func (m *miniature) source(req requestBody) (schema.Source, error) {
	src := schema.Source{Type: req.SchemaType, Text: req.Schema, References: req.References, Metadata: req.Metadata}
	var err error
	src.Dependencies, err = schema.Resolve(src.References, func(r schema.Reference) (string, []schema.Reference, bool, error) {
		list := m.subjects[r.Subject]
		if r.Version == -1 && len(list) > 0 {
			return list[len(list)-1].s.Text(), list[len(list)-1].s.References(), true, nil
		}
		if r.Version < 1 || r.Version > len(list) {
			return "", nil, false, nil
		}
		return list[r.Version-1].s.Text(), list[r.Version-1].s.References(), true, nil
	})
	return src, err
}

func (m *miniature) parse(req requestBody, isNew, normalize bool) (*schema.Schema, schema.Source, error) {
	src, err := m.source(req)
	if err != nil {
		return nil, src, err
	}
	s, err := schema.Parse(src, schema.Options{New: isNew, Normalize: normalize})
	if err != nil {
		return nil, src, err
	}
	references := slices.Clone(s.References())
	for i, r := range references {
		if r.Version == -1 {
			references[i].Version = len(m.subjects[r.Subject])
		}
	}
	return s.With(s.Metadata(), s.Rules(), references), src, nil
}

func (m *miniature) register(subject string, req requestBody, query url.Values) (int, string) {
	s, src, err := m.parse(req, true, isSet(query, "normalize"))
	if err != nil {
		return refuse(42201, "%s", schema.InvalidMessage(subject, 0, -1, src, err))
	}
	if st := m.same(subject, s); st != nil {
		return answer(200, st.entity(""))
	}
	if messages := schema.Check(s, m.previous(subject, ""), schema.CheckOptions{Level: m.level(subject)}); len(messages) > 0 {
		return refuse(409, `Schema being registered is incompatible with an earlier schema for subject "%s", details: [%s]`, subject, strings.Join(messages, ", "))
	}
	if t, known := m.types[s.Hash()]; known && t != s.Type() {
		return refuse(42205, "Overwrite new schema with id %d in context  is not permitted.", m.ids[s.Hash()])
	}
	st := &stored{version: len(m.subjects[subject]) + 1, s: s}
	if st.id = m.ids[s.Hash()]; st.id == 0 {
		m.last++
		st.id = m.last
		m.ids[s.Hash()], m.types[s.Hash()] = st.id, s.Type()
	}
	m.subjects[subject] = append(m.subjects[subject], st)
	return answer(200, st.entity(""))
}

func (m *miniature) same(subject string, s *schema.Schema) *stored {
	list := m.subjects[subject]
	for _, st := range list {
		if st.s.Hash() == s.Hash() {
			return st
		}
	}
	for _, st := range slices.Backward(list) {
		if s.Equivalent(st.s) {
			return st
		}
	}
	return nil
}

func (m *miniature) level(subject string) schema.Level {
	if level, ok := m.levels[subject]; ok {
		return level
	}
	return schema.Backward
}

func (m *miniature) previous(subject, version string) []schema.Previous {
	var out []schema.Previous
	for _, st := range slices.Backward(m.subjects[subject]) {
		if version == "" || version == "latest" || version == strconv.Itoa(st.version) {
			out = append(out, schema.Previous{Version: st.version, Schema: st.s})
		}
	}
	if version == "latest" && len(out) > 1 {
		out = out[:1]
	}
	return out
}

func (m *miniature) find(subject string, req requestBody, query url.Values) (int, string) {
	if len(m.subjects[subject]) == 0 {
		if _, src, err := m.parse(req, false, isSet(query, "normalize")); err != nil {
			return refuse(42201, "%s", schema.InvalidMessage(subject, 0, -1, src, err))
		}
		return refuse(40401, "Subject '%s' not found.", subject)
	}
	s, src, err := m.parse(req, false, isSet(query, "normalize"))
	if err != nil {
		return refuse(42201, "%s", schema.InvalidMessage(subject, 0, -1, src, err))
	}
	st := m.same(subject, s)
	if st == nil {
		return refuse(40403, "Schema not found")
	}
	e := st.entity(subject)
	if st.s.Hash() != s.Hash() { // found by what it says, upstream shows the stored version whole
		e.TS, e.Deleted = 1, new(bool)
	}
	return answer(200, e)
}

func (m *miniature) check(subject, version string, req requestBody, query url.Values) (int, string) {
	s, src, err := m.parse(req, true, isSet(query, "normalize"))
	verbose := isSet(query, "verbose")
	if err != nil {
		message := schema.InvalidMessage(subject, 0, -1, src, err)
		if verbose {
			return answer(200, map[string]any{"is_compatible": false, "messages": []string{message}})
		}
		return refuse(42201, "%s", message)
	}
	previous := m.previous(subject, version)
	if version != "" && version != "latest" && len(previous) == 0 {
		return refuse(40402, "Version %s not found.", version)
	}
	messages := schema.Check(s, previous, schema.CheckOptions{Level: m.level(subject)})
	out := map[string]any{"is_compatible": len(messages) == 0}
	if verbose {
		out["messages"] = append([]string{}, messages...)
	}
	return answer(200, out)
}

var errNoVersion = errors.New("no such version")

func (m *miniature) at(subject, version string) (*stored, error) {
	list := m.subjects[subject]
	v := len(list)
	if version != "latest" {
		v, _ = strconv.Atoi(version)
	}
	if v < 1 || v > len(list) {
		return nil, errNoVersion
	}
	return list[v-1], nil
}

func (m *miniature) version(subject, version string, bare bool, query url.Values) (int, string) {
	if len(m.subjects[subject]) == 0 {
		return refuse(40401, "Subject '%s' not found.", subject)
	}
	st, err := m.at(subject, version)
	if err != nil {
		return refuse(40402, "Version %s not found.", version)
	}
	text, err := st.s.Format(query.Get("format"))
	if err != nil {
		return refuse(422, "%v", err)
	}
	if bare {
		return 200, text
	}
	e := st.entity(subject)
	e.Schema, e.TS, e.Deleted = text, 1, new(bool)
	return answer(200, e)
}
