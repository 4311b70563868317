package rest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"leat.dev/internal/registry/rest"
	"leat.dev/internal/registry/store"
	"pgregory.net/rapid"
)

// call makes one request and gives "status body".
func call(h http.Handler, method, path, body string) string {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return fmt.Sprintf("%d %s", w.Code, w.Body.String())
}

func quoted(schema string) string {
	b, _ := json.Marshal(map[string]string{"schema": schema})
	return string(b)
}

// TestLifeOfASubject goes through what a subject meets, with the answers that clients see.
func TestLifeOfASubject(t *testing.T) {
	m := newMemory()
	h := handler(m)
	v1 := `{"type":"record","name":"Ghost","fields":[{"name":"name","type":"string"}]}`
	v2 := `{"type":"record","name":"Ghost","fields":[{"name":"name","type":"string"},{"name":"age","type":"int","default":0}]}`
	bad := `{"type":"record","name":"Ghost","fields":[{"name":"name","type":"string"},{"name":"age","type":"int"}]}`
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/", "", "200 {}"}, {"GET", "/subjects", "", "200 []"}, {"GET", "/schemas/types", "", `200 ["JSON","PROTOBUF","AVRO"]`},
		{"GET", "/subjects/ghosts/versions", "", `404 {"error_code":40401,"message":"Subject 'ghosts' not found."}`},
		{"POST", "/subjects/ghosts/versions", quoted(v1), `200 {"id":1,"version":1,`}, {"POST", "/subjects/ghosts/versions", quoted(" " + v1), `200 {"id":1,"version":1,`},
		{"POST", "/subjects/ghosts/versions", quoted(bad), `409 {"error_code":40901,"message":"Schema being registered is incompatible`},
		{"POST", "/compatibility/subjects/ghosts/versions/latest?verbose=true", quoted(v2), `200 {"is_compatible":true,"messages":[]}`},
		{"POST", "/subjects/ghosts/versions/", quoted(v2), `200 {"id":2,"version":2,`}, {"POST", "/subjects/other/versions", quoted(v1), `200 {"id":1,"version":1,`},
		{"POST", "/subjects/ghosts", quoted(v1), `200 {"subject":"ghosts","id":1,"version":1,`}, {"GET", "/subjects/ghosts/versions/latest/schema", "", "200 " + v2},
		{"GET", "/schemas/ids/1/versions", "", `200 [{"subject":"ghosts","version":1},{"subject":"other","version":1}]`},
		{"GET", "/schemas/ids/9", "", `404 {"error_code":40403,"message":"Schema 9 not found"}`}, {"GET", "/schemas/ids/9/schema", "", `404 {"error_code":40403,`}, {"GET", "/schemas/ids/x", "", `404 {"error_code":404,"message":"HTTP 404 Not Found"}`},
		{"DELETE", "/subjects/ghosts/versions/1", "", "200 1"}, {"DELETE", "/subjects/ghosts/versions/1", "", `404 {"error_code":40406,`}, {"GET", "/subjects/ghosts/versions?deleted=true", "", "200 [1,2]"},
		{"POST", "/subjects/ghosts/versions", quoted(v1), `200 {"id":1,"version":3,`}, // the same content again: a new number, the old id
		{"GET", "/subjects/ghosts/versions?deleted=true", "", "200 [2,3]"}, {"DELETE", "/subjects/ghosts?permanent=true", "", `404 {"error_code":40405,`}, {"DELETE", "/subjects/ghosts", "", "200 [2,3]"},
		{"DELETE", "/subjects/ghosts?permanent=true", "", "200 [2,3]"}, {"GET", "/subjects?deleted=true", "", `200 ["other"]`},
		{"POST", "/subjects/ghosts/versions", quoted(v2), `200 {"id":3,"version":1,`}, // id 2 was given out once and never again
		{"PUT", "/config/ghosts", `{"compatibility":"none"}`, `200 {"compatibility":"NONE"}`}, {"POST", "/subjects/ghosts/versions", quoted(bad), `200 {"id":4,"version":2,`},
		{"PUT", "/mode/ghosts", `{"mode":"readonly"}`, `200 {"mode":"readonly"}`}, {"POST", "/subjects/ghosts/versions", quoted(`"int"`), `422 {"error_code":42205,"message":"Subject ghosts in context  is in read-only mode"}`},
		{"POST", "/subjects/:.c:s/versions", quoted(`"int"`), `200 {"id":1,"version":1,`}, {"GET", "/contexts", "", `200 [".",".c"]`}, {"GET", "/contexts/c/subjects/s/versions", "", "200 [1]"},
		{"POST", "/subjects/a%2Fb%3Ac/versions", quoted(`"int"`), `200 {"id":5,"version":1,`}, {"GET", "/subjects?subjectPrefix=a", "", `200 ["a/b:c"]`},
		{"PATCH", "/subjects", "", `405 {"error_code":405,`}, {"GET", "/nothing", "", `404 {"error_code":404,`}, {"POST", "/subjects/x/versions", "{", `400 {"error_code":400,`}, {"POST", "/subjects/x/versions", "", `422 {"error_code":422,`},
	} {
		if got := call(h, c.method, c.path, c.body); !strings.HasPrefix(got, c.want) || (strings.HasSuffix(c.want, "]") && got != c.want) {
			t.Errorf("%s %s %s\n got %s\nwant %s", c.method, c.path, c.body, got, c.want)
		}
	}
	again := handler(m.replayed())
	for _, path := range []string{"/subjects?deleted=true", "/schemas?deleted=true", "/config/ghosts", "/mode/ghosts", "/contexts", "/schemas/ids/4"} {
		if a, b := call(h, "GET", path, ""), call(again, "GET", path, ""); a != b {
			t.Errorf("%s after reading the log again:\n%s\nbefore:\n%s", path, b, a)
		}
	}
}

// TestIDsAreNeverGivenTwice: whatever is registered and deleted, an id always means one schema, also to a reader of the log
// alone and after the log was compacted behind a NOOP.
func TestIDsAreNeverGivenTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		h := handler(m)
		meaning := map[string]string{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			subject := rapid.SampledFrom([]string{"a", "b", ":.c:a"}).Draw(t, "subject")
			context, _ := store.Split(subject)
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				call(h, "DELETE", "/subjects/"+subject, "")
			case 1:
				call(h, "DELETE", "/subjects/"+subject+"?permanent=true", "")
			case 2: // another process: what the log holds after compaction, and a new leader's NOOP
				m.log = append(m.log, m.state.Noop())
				m.log = compacted(m.log)
				m = m.replayed()
				h = handler(m)
			default:
				name := rapid.StringMatching("[A-F]").Draw(t, "name")
				text := call(h, "POST", "/subjects/"+subject+"/versions", quoted(`{"type":"fixed","name":"`+name+`","size":1}`))
				var answer struct{ ID int }
				if !strings.HasPrefix(text, "200 ") {
					continue
				}
				if err := json.Unmarshal([]byte(text[4:]), &answer); err != nil {
					t.Fatal(text)
				}
				key := fmt.Sprint(context, answer.ID)
				if old, ok := meaning[key]; ok && old != name {
					t.Fatalf("id %d in context %s means %s and %s", answer.ID, context, old, name)
				}
				meaning[key] = name
			}
		}
	})
}

// compacted keeps the last record of each key, as the broker's cleaner does; tombstones too go in the end.
func compacted(log []store.Record) []store.Record {
	last := map[string]int{}
	for i, r := range log {
		last[string(r.Key)] = i
	}
	var out []store.Record
	for i, r := range log {
		if last[string(r.Key)] == i && r.Value != nil {
			out = append(out, r)
		}
	}
	return out
}

func TestFollowersSendWritesToTheLeader(t *testing.T) {
	leader := newMemory()
	at := httptest.NewServer(handler(leader))
	defer at.Close()
	follower := newMemory()
	follower.foreign, follower.leader = true, at.URL
	h := handler(follower)
	if got := call(h, "POST", "/subjects/s/versions?normalize=true", quoted(`"int"`)); !strings.HasPrefix(got, `200 {"id":1,`) {
		t.Error(got)
	}
	if got := call(h, "POST", "/subjects/s/versions", quoted(`"nonsense"`)); !strings.HasPrefix(got, `422 {"error_code":42201,`) {
		t.Error(got)
	}
	follower.leader = ""
	if got := call(h, "DELETE", "/subjects/s", ""); got != `500 {"error_code":50004,"message":"Leader not known."}` {
		t.Error(got)
	}
	follower.leader = "http://127.0.0.1:1"
	if got := call(h, "DELETE", "/subjects/s", ""); got != `500 {"error_code":50003,"message":"Error while forwarding register schema request to the leader"}` {
		t.Error(got)
	}
	if got := call(h, "GET", "/subjects", ""); got != "200 []" {
		t.Error("reading needs no leader: " + got)
	}
}

func TestRolesHideWhatTheyDoNotCover(t *testing.T) {
	m := newMemory()
	h := rest.New(rest.Options{Backend: m, Logger: slog.New(slog.DiscardHandler), Allow: func(_ *http.Request, subject string, write bool) bool {
		return strings.HasPrefix(subject, "mine") || (subject == "shared" && !write)
	}})
	open := handler(m)
	for _, s := range []string{"mine-1", "shared", "theirs"} {
		call(open, "POST", "/subjects/"+s+"/versions", quoted(`{"type":"fixed","name":"`+strings.ReplaceAll(s, "-", "_")+`","size":1}`))
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/subjects", `200 ["mine-1","shared"]`}, {"GET", "/subjects/theirs/versions", "403 "}, {"GET", "/schemas/ids/3", "403 "}, {"GET", "/schemas/ids/3/schema", "403 "}, {"GET", "/schemas/ids/3/subjects", "200 []"},
		{"DELETE", "/subjects/shared", "403 "}, {"DELETE", "/subjects/mine-1", "200 [1]"}, {"PUT", "/config", "403 "},
	} {
		if got := call(h, c.method, c.path, "{}"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, got, c.want)
		}
	}
	if got := call(h, "GET", "/schemas?subjectPrefix=", ""); strings.Contains(got, "theirs") {
		t.Error(got)
	}
}

// FuzzRequests: no request makes the handler panic or answer 500.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/subjects/s/versions", `{"schema":"\"int\"","references":[{"name":"a","subject":"s","version":-1}],"metadata":{"tags":{"a":["b"]}}}`, "application/json")
	f.Add("PUT", "/config/:.x:", `{"compatibility":"FULL","normalize":null}`, "")
	f.Add("GET", "/contexts/:.x:/schemas/ids/1?subject=%3A.&format=resolved", "", "*/*;q=0")
	f.Fuzz(func(t *testing.T, method, path, body, accept string) {
		m := newMemory()
		h := handler(m)
		call(h, "POST", "/subjects/s/versions", quoted(`"int"`))
		r, err := http.NewRequest(method, "http://x"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if text, _ := io.ReadAll(w.Body); w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, text)
		}
		m.replayed()
	})
}
