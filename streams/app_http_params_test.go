package streams

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"leat.dev/streams/internal/topology"
)

// emptyStores are stores of each shape, as the server has them before it knows which task is meant.
func emptyStores(t testing.TB) []askedStore {
	prog := &program{appID: "app", settings: defaultSettings()}
	b := &blanks{prog: prog, stores: map[string]taskStore{}}
	var out []askedStore
	for _, s := range []topology.Store{
		storeSpec{name: "texts"}.table(String, Int64), storeSpec{name: "numbers"}.kv(Int64, String),
		storeSpec{name: "windows"}.plainWindow(String, Int64, 10, 1000), storeSpec{name: "sessions"}.session(Bytes, Int64, 1000),
		storeSpec{name: "versions"}.versioned(JSON[map[string]int](), Int64, 1000),
	} {
		opened, err := b.open(&s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, opened.(askedStore))
	}
	return out
}

func TestRowsRequests(t *testing.T) {
	stores := emptyStores(t)
	for _, c := range []struct {
		store      int
		key, query string
		bad        string // a part of the error; "": none
	}{
		{0, "a", "", ""},
		{0, "a", "stale&max_lag=5&wait=2s&partition=3", ""},
		{0, "a", "partition=all", ""},
		{0, "a", "limit=3", "limit does not go with this request"},
		{0, "a", "wait=1h", "wait is a duration up to"},
		{0, "a", "position={", "position is the position of an answer"},
		{0, "a", "encoding=utf9", "encoding is text, json or base64"},
		{0, "!", "encoding=base64", "does not fit the store"},
		{0, "-_8", "encoding=base64", ""},
		{0, strings.Repeat("x", keyBytesMax+1), "", "longer than"},
		{0, "a", "stale=maybe", "stale is true or false"},
		{0, "a", "stale=1&stale=0", "is given 2 times"},
		{0, "", "", ""},
		{1, "12", "", ""},
		{1, "twelve", "", "does not fit the store"},
		{1, "12", "encoding=text", "such keys have no text"},
		{1, "AAAA", "encoding=base64", "does not fit the store"}, // three bytes are no number
		{2, "a", "start=10", ""},
		{2, "a", "start=10&limit=1", "limit does not go"},
		{2, "a", "from=2026-01-01T00:00:00Z&order=desc", ""},
		{2, "a", "from=yesterday", "from is milliseconds since 1970"},
		{3, `"AQI="`, "", ""},
		{3, "raw", "encoding=text", ""},
		{3, "raw", "encoding=text&start=4&end=3", "end goes with start"},
		{3, "raw", "encoding=text&start=4", "end goes with start"},
		{4, `{"b":1,"a":2}`, "at=5", ""},
		{4, `{"a":2}`, "from=1&limit=7", ""},
		{4, `null`, "", ""},
	} {
		_, err := parseRows("s", stores[c.store], &c.key, c.query)
		if (err != nil) != (c.bad != "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("key %.20q, %s of a %s store: %v, want %q", c.key, c.query, stores[c.store].shape(), err, c.bad)
		}
	}
	for query, bad := range map[string]string{
		"": "", "key_from=a&key_to=b": "", "prefix=a": "", "prefix=YQ&encoding=base64": "", "count=true": "", "limit=10000&order=asc": "",
		"limit=10001": "limit is a number from 1 to 10000", "order=up": "order is asc or desc", "prefix=a&key_to=b": "prefix goes without",
		"count&limit=1": "limit does not go", "from=1": "from does not go", "cursor=AAAA": "cursor is none", "partition=all": "partition is a number",
		"%zz": "invalid URL escape",
	} {
		if _, err := parseRows("s", stores[0], nil, query); (err != nil) != (bad != "") || err != nil && !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v, want %q", query, err, bad)
		}
	}
}

// TestCursors: one goes on with its own request only.
func TestCursors(t *testing.T) {
	s := emptyStores(t)[0]
	ask := func(query string) (*rowsRequest, error) { return parseRows("s", s, nil, query) }
	first, err := ask("key_from=a&limit=5")
	if err != nil {
		t.Fatal(err)
	}
	cursor := cursorOf([]byte("place"), first.mark)
	next, err := ask("key_from=a&limit=7&cursor=" + cursor)
	if err != nil || string(next.q.after) != "place" {
		t.Fatal(next, err)
	}
	for _, other := range []string{"", "key_from=b", "key_from=a&order=desc", "prefix=a"} {
		if _, err := ask(other + "&cursor=" + cursor); err == nil || !strings.Contains(err.Error(), "another request") {
			t.Errorf("%s goes on with the cursor of another request: %v", other, err)
		}
	}
}

func FuzzRowsRequest(f *testing.F) {
	stores := emptyStores(f)
	f.Add(uint8(0), "a", true, "limit=3&order=desc&cursor=AQAAAAA")
	f.Add(uint8(1), "12", false, "stale&max_lag=1&position={\"t\":{\"0\":1}}&wait=1s")
	f.Add(uint8(2), "k", false, "start=5&partition=all&encoding=text")
	f.Add(uint8(3), "AQI=", false, "encoding=base64&start=1&end=2")
	f.Add(uint8(4), "{\"a\":1}", false, "from=1&to=2026-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, store uint8, key string, all bool, query string) {
		s := stores[int(store)%len(stores)]
		k := &key
		if all {
			k = nil
		}
		r, err := parseRows("s", s, k, query)
		if err != nil {
			return
		}
		if r.limit < 0 || r.limit > rowsMax || len(r.q.key) > 2*keyBytesMax || r.q.from < 0 || r.q.to < 0 || r.wait < 0 || r.partition < -1 {
			t.Fatalf("%+v", r)
		}
		if err := s.ask(&r.q, func([]byte, httpRow) bool { t.Fatal("an empty store has an entry"); return false }); err != nil {
			_ = errorOf(err) // of a place that a forged cursor has, at worst
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("AQAAAAA", uint32(0), []byte("x"))
	f.Fuzz(func(t *testing.T, text string, mark uint32, place []byte) {
		if got, err := parseCursor(text, mark); err == nil && base64.RawURLEncoding.EncodeToString(got) == "" && len(got) > 0 {
			t.Fatal(got)
		}
		got, err := parseCursor(cursorOf(place, mark), mark)
		if err != nil || !bytes.Equal(got, place) {
			t.Fatal(got, err)
		}
		if _, err := url.ParseQuery("cursor=" + cursorOf(place, mark)); err != nil {
			t.Fatal(err)
		}
	})
}
