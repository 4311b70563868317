package differ

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Script is one file of the list:
//
//	# a comment
//	api CreateTopics            the API of requests that name none; its versions are those `each` runs through
//	profile secured             the broker's settings, see profiles; default plain
//
//	once                        what follows runs once, each request in its API's last version
//	each 4-                     what follows runs in each version from 4
//
//	> name of the request
//	{"Topics": [{"Topic": "a-$v"}]}
//	vary Topics[0].Topic: "" | ".." | "$long(250)"
//	vary * -TimeoutMillis -Topics.NumPartitions -Topics~twice
//	save id = Topics[0].TopicID
//	only Topics = "Topic":"a-
//	until Topics[0].ErrorCode = 0
//	login PLAIN admin admin-secret
//
//	> name of the request : FindCoordinator @1
//	{"CoordinatorKey": "g"}
//
// The body holds the fields of kmsg's type; what it leaves out has the protocol's default. In strings $v is the version,
// $n counts the variants of one request, $name is what was saved, and functions like $id(topic) are in value.go.
type Script struct {
	Name    string // the file's, without ending
	API     kmsg.Key
	Profile string
	Denied  bool // made from another one, for somebody without rights
	Parts   []Part
}

// Part is a run of requests that is repeated in each version from Min to Max, or goes once.
type Part struct {
	Once     bool
	Min, Max int16
	Requests []Template
}

// Template is a request before its versions and variants.
type Template struct {
	Name    string
	Key     kmsg.Key
	Version int16 // -1: that of the part, at most the API's last
	Body    map[string]any
	Vary    []Vary
	Save    [][2]string // name, path
	Only    [][2]string // path of an array, text that an element has to hold
	Until   [2]string   // path, value
	Raw     string      // bytes in the place of the body, or change of them
	Secured bool        // on a new connection to the listener that wants a login
	Login   []string    // mechanism, user and password for a connection of its own
}

// Vary are values for one field, or for all fields with an empty path.
type Vary struct {
	Path   string
	Values []any
	Except []string // fields left alone, without indexes
}

// Scripts reads all scripts, in the order they run in.
func Scripts(dir string, versions Versions) ([]*Script, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var out []*Script
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		s, err := parseScript(string(text), versions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		s.Name = strings.TrimSuffix(filepath.Base(f), ".txt")
		out = append(out, s)
	}
	for _, s := range out {
		if s.Profile == "plain" {
			out = append(out, s.denied())
		}
	}
	return out, nil
}

// denied is the script as somebody sends it who may do nothing: each request once, without variants. What earlier
// requests would have learned is made up.
func (s *Script) denied() *Script {
	d := &Script{Name: "denied_" + s.Name, API: s.API, Profile: "secured", Denied: true}
	for _, p := range s.Parts {
		mine := Part{Once: p.Once, Min: p.Min, Max: p.Max}
		for _, t := range p.Requests {
			// The handshake of a connection that is logged in, and what needs no right, are no matter here.
			if t.Raw != "" || t.Key == kmsg.SASLHandshake || t.Key == kmsg.SASLAuthenticate || t.Key == kmsg.ApiVersions {
				continue
			}
			mine.Requests = append(mine.Requests, Template{Name: t.Name, Key: t.Key, Version: t.Version, Body: t.Body, Login: []string{"PLAIN", "alice", "alice-secret"}})
		}
		d.Parts = append(d.Parts, mine)
	}
	return d
}

func parseScript(text string, versions Versions) (*Script, error) {
	s := &Script{API: -1, Profile: "plain"}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		var err error
		switch word {
		case "api":
			s.API, err = keyOf(rest)
		case "profile":
			s.Profile = rest
		case "once":
			s.Parts = append(s.Parts, Part{Once: true})
		case "each":
			p := Part{}
			p.Min, p.Max, err = versions.parse(s.API, rest)
			s.Parts = append(s.Parts, p)
		case ">":
			if len(s.Parts) == 0 {
				return nil, fmt.Errorf("line %d: a request before `once` or `each`", i+1)
			}
			t := Template{Key: s.API, Version: -1}
			err = t.head(rest)
			p := &s.Parts[len(s.Parts)-1]
			p.Requests = append(p.Requests, t)
		default:
			if len(s.Parts) == 0 || len(s.Parts[len(s.Parts)-1].Requests) == 0 {
				return nil, fmt.Errorf("line %d: %q stands outside a request", i+1, line)
			}
			p := &s.Parts[len(s.Parts)-1]
			t := &p.Requests[len(p.Requests)-1]
			if strings.HasPrefix(line, "{") {
				i, err = t.body(lines, i)
			} else {
				err = t.option(word, rest)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return s, nil
}

// head reads "name" or "name : API @version".
func (t *Template) head(rest string) error {
	name, other, ok := strings.Cut(rest, " : ")
	t.Name = strings.TrimSpace(name)
	if !ok {
		return nil
	}
	for f := range strings.FieldsSeq(other) {
		if v, ok := strings.CutPrefix(f, "@"); ok {
			n, err := strconv.ParseInt(v, 10, 16)
			if err != nil {
				return err
			}
			t.Version = int16(n)
			continue
		}
		key, err := keyOf(f)
		if err != nil {
			return err
		}
		t.Key = key
	}
	return nil
}

// body reads the JSON object that begins in line i and returns its last line.
func (t *Template) body(lines []string, i int) (int, error) {
	dec := json.NewDecoder(strings.NewReader(strings.Join(lines[i:], "\n")))
	dec.UseNumber()
	if err := dec.Decode(&t.Body); err != nil {
		return i, err
	}
	return i + strings.Count(strings.Join(lines[i:], "\n")[:dec.InputOffset()], "\n"), nil
}

func (t *Template) option(word, rest string) error {
	pair := func() ([2]string, error) {
		a, b, ok := strings.Cut(rest, "=")
		if !ok {
			return [2]string{}, fmt.Errorf("%s %q has no =", word, rest)
		}
		return [2]string{strings.TrimSpace(a), strings.TrimSpace(b)}, nil
	}
	switch word {
	case "vary":
		return t.vary(rest)
	case "save":
		p, err := pair()
		t.Save = append(t.Save, p)
		return err
	case "only":
		p, err := pair()
		t.Only = append(t.Only, p)
		return err
	case "until":
		p, err := pair()
		t.Until = p
		return err
	case "raw":
		t.Raw = rest
	case "secured":
		t.Secured = true
	case "login":
		t.Login = strings.Fields(rest)
		if len(t.Login) != 3 {
			return fmt.Errorf("login wants a mechanism, a user and a password: %q", rest)
		}
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

func (t *Template) vary(rest string) error {
	if all, ok := strings.CutPrefix(rest, "*"); ok {
		v := Vary{}
		for f := range strings.FieldsSeq(all) {
			name, ok := strings.CutPrefix(f, "-")
			if !ok {
				return fmt.Errorf("vary *: %q does not begin with -", f)
			}
			v.Except = append(v.Except, name)
		}
		t.Vary = append(t.Vary, v)
		return nil
	}
	path, values, ok := strings.Cut(rest, ":")
	if !ok {
		return fmt.Errorf("vary %q has no values", rest)
	}
	v := Vary{Path: strings.TrimSpace(path)}
	for text := range strings.SplitSeq(values, " | ") {
		dec := json.NewDecoder(bytes.NewReader([]byte(text)))
		dec.UseNumber()
		var value any
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("vary %s: %q: %w", path, text, err)
		}
		v.Values = append(v.Values, value)
	}
	t.Vary = append(t.Vary, v)
	return nil
}

func keyOf(name string) (kmsg.Key, error) {
	for k := range int16(maxKey) {
		if strings.EqualFold(kmsg.NameForKey(k), name) {
			return kmsg.Key(k), nil
		}
	}
	return 0, fmt.Errorf("no API %q", name)
}

// maxKey is above every key that Kafka 4.3 knows.
const maxKey = 100
