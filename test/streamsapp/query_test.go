package streamsapp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
	"leat.dev/test/launch"
)

// The application of these tests keeps numbers by key in a store of each kind; the number is the value of the record.
var (
	numbers  = streams.NewTopic("numbers", streams.String, streams.String)
	plain    = streams.TimestampedStore("plain", streams.String, streams.Int64)
	windows  = streams.WindowStore("windows", streams.String, streams.Int64, 10*time.Millisecond, time.Hour)
	sessions = streams.SessionStore("sessions", streams.String, streams.Int64, time.Hour)
	versions = streams.VersionedStore("versions", streams.String, streams.Int64, time.Hour)
)

func keepNumbers(b *streams.Builder) {
	numbers.Stream(b).Process("keep", streams.String, func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
		kv, win, ses, ver := plain.In(c), windows.In(c), sessions.In(c), versions.In(c)
		return func(r streams.Record[string, string]) error {
			n, err := strconv.ParseInt(r.Value, 10, 64)
			if err != nil {
				return err
			}
			if err := kv.Put(r.Key, streams.Stamped[int64]{Value: n, Time: r.Time}); err != nil {
				return err
			}
			if err := win.Put(r.Key, n, r.Time-r.Time%10); err != nil {
				return err
			}
			if err := ses.Put(streams.Windowed[string]{Key: r.Key, Start: r.Time, End: r.Time + 5}, n); err != nil {
				return err
			}
			return ver.Put(r.Key, n, r.Time)
		}
	}, plain, windows, sessions, versions)
}

// rowOf is an entry as the server shows it, or the line behind the last one.
type rowOf struct {
	Key              string
	Value            int64
	Start, End       json.RawMessage
	From, To, Time   *int64
	Cursor           string
	Count            *int64
	Position         streams.Position
	Stale            bool
	Lag              int64
	Error            *struct{ Code, Message string }
	whole            bool
	startAt, endedAt int64
}

// web asks instances over HTTP.
type web struct {
	t    testing.TB
	host string
}

func (w web) fetch(ctx context.Context, path string) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.host+path, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, body, err
}

// ask is fetch again while tasks move, as clients do. Copies need no such patience.
func (w web) ask(path string) (code int, header http.Header, body []byte, err error) {
	w.t.Helper()
	until(w.t, "an answer to "+path, func() bool {
		code, header, body, err = w.fetch(w.t.Context(), path)
		return err != nil || code < http.StatusBadGateway || strings.Contains(path, "stale=") || strings.Contains(path, "max_lag=")
	})
	return code, header, body, err
}

// get is an answer of one object.
func (w web) get(path string, status int) (out rowOf) {
	w.t.Helper()
	code, header, body, err := w.ask(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if code != status {
		w.t.Fatalf("%s at %s: status %d, want %d: %s", path, w.host, code, status, body)
	}
	if err := json.Unmarshal(body, &out); err != nil {
		w.t.Fatalf("%s: %v: %s", path, err, body)
	}
	out.Stale = header.Get("Leat-Stale") == "true"
	if p := header.Get("Leat-Position"); p != "" {
		if err := json.Unmarshal([]byte(p), &out.Position); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

// list is an answer of lines; the last one is the summary.
func (w web) list(path string) (rows []rowOf, sum rowOf) {
	w.t.Helper()
	code, _, body, err := w.ask(path)
	if err != nil || code != http.StatusOK {
		w.t.Fatalf("%s at %s: status %d, %v: %s", path, w.host, code, err, body)
	}
	rows, sum, err = linesOf(body)
	if err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	return rows, sum
}

func linesOf(body []byte) (rows []rowOf, sum rowOf, err error) {
	lines := bufio.NewScanner(strings.NewReader(string(body)))
	for lines.Scan() {
		if sum.whole {
			return nil, sum, fmt.Errorf("a line behind the summary: %s", lines.Text())
		}
		var end struct{ End json.RawMessage }
		var r rowOf
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, sum, err
		}
		_ = json.Unmarshal(lines.Bytes(), &end)
		if r.Error != nil {
			return rows, r, fmt.Errorf("%s: %s", r.Error.Code, r.Error.Message)
		}
		if string(end.End) == "true" {
			sum, sum.whole = r, true
			continue
		}
		_ = json.Unmarshal(r.Start, &r.startAt)
		_ = json.Unmarshal(r.End, &r.endedAt)
		rows = append(rows, r)
	}
	if !sum.whole {
		return rows, sum, io.ErrUnexpectedEOF
	}
	return rows, sum, nil
}

// serving starts an instance that answers over HTTP.
func (c *cluster) serving(id string, build func(*streams.Builder), o ...streams.AppOption) (*running, web) {
	c.t.Helper()
	r := c.run(id, build, append(o, streams.ServeQueries("127.0.0.1:0"))...)
	limit := time.After(patience)
	for r.app.Endpoint() == "" {
		select {
		case <-r.change:
		case <-r.done:
			c.t.Fatal(r.err)
		case <-limit:
			c.t.Fatal("the instance does not serve")
		}
	}
	return r, web{c.t, r.app.Endpoint()}
}

// until repeats what fails while tasks move.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("%s does not come about", what)
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			return
		}
	}
}

// shared tells whether n instances have so many tasks together.
func shared(w web, n, tasks int) func() bool {
	return func() bool {
		_, _, body, err := w.fetch(w.t.Context(), "/hosts")
		var hosts []streams.Host
		if err != nil || json.Unmarshal(body, &hosts) != nil || len(hosts) != n {
			return false
		}
		active := 0
		for _, h := range hosts {
			active += len(h.Active)
			if len(h.Active) == 0 {
				return false
			}
		}
		return active == tasks
	}
}

// TestServedApplication asks every instance for everything, against a model.
func TestServedApplication(t *testing.T) {
	c := start(t, "leat")
	c.create(6, "numbers")
	var records []string
	model := map[string]int64{}
	for i := range 300 {
		k := fmt.Sprintf("k%03d", i%100)
		records = append(records, fmt.Sprintf("%s=%d", k, i))
		model[k] = int64(i)
	}
	records = append(records, "a/b c=7", "=8")
	model["a/b c"], model[""] = 7, 8
	c.send("numbers", records...)
	one, w1 := c.serving("numbered", keepNumbers)
	one.await(streams.Running)
	_, w2 := c.serving("numbered", keepNumbers)
	_, w3 := c.serving("numbered", keepNumbers, streams.Workers(2))
	until(t, "three instances with tasks", shared(w1, 3, 6))
	all := slices.Sorted(maps.Keys(model))
	for _, w := range []web{w1, w2, w3} {
		until(t, "every partition's position", func() bool { // all is processed
			code, _, body, err := w.fetch(t.Context(), "/stores/plain?limit=1000")
			rows, _, bad := linesOf(body)
			return err == nil && code == 200 && bad == nil && len(rows) == len(all)
		})
		checkNumbers(t, w, model, all)
	}
}

func checkNumbers(t *testing.T, w web, model map[string]int64, all []string) {
	t.Helper()
	for k, v := range model {
		if r := w.get("/stores/plain/"+url.PathEscape(k), 200); r.Key != k || r.Value != v || r.Time == nil || r.Position == nil {
			t.Fatalf("%q: %+v, want %d", k, r, v)
		}
	}
	keysOf := func(rows []rowOf) (out []string) {
		for _, r := range rows {
			out = append(out, r.Key)
			if model[r.Key] != r.Value {
				t.Fatalf("%+v, want %d", r, model[r.Key])
			}
		}
		return out
	}
	same := func(path string, want []string) {
		t.Helper()
		rows, sum := w.list(path)
		if got := keysOf(rows); !slices.Equal(got, want) || sum.Position == nil {
			t.Fatalf("%s: %q, want %q, %+v", path, got, want, sum)
		}
	}
	same("/stores/plain?limit=1000", all)
	backwards := slices.Clone(all)
	slices.Reverse(backwards)
	same("/stores/plain?limit=1000&order=desc", backwards)
	same("/stores/plain?key_from=k010&key_to=k019", all[12:22])
	same("/stores/plain?key_from=k010&key_to=k019&order=desc&limit=3", []string{"k019", "k018", "k017"})
	same("/stores/plain?key_from=k098", all[100:])
	same("/stores/plain?prefix=k09", all[92:102])
	same("/stores/plain?prefix=azA5&encoding=base64", all[92:102])
	for _, order := range []string{"asc", "desc"} {
		for _, store := range []string{"plain", "windows", "sessions"} {
			checkPages(t, w, store, order)
		}
	}
	if r := w.get("/stores/plain?count=true", 200); r.Count == nil || *r.Count != int64(len(all)) {
		t.Fatal(r)
	}
	if r := w.get("/stores/plain/azAxMA?encoding=base64", 200); r.Key != "k010" {
		t.Fatal(r)
	}
	if r := w.get("/stores/plain/%22k010%22?encoding=json", 200); r.Key != "k010" {
		t.Fatal(r)
	}
	if r := w.get("/stores/plain/k010?partition=all", 200); r.Value != 210 {
		t.Fatal(r)
	}
	// k010 was 10, 110, 210, each at that time.
	if r := w.get("/stores/windows/k010?start=110", 200); r.Value != 110 {
		t.Fatal(r)
	}
	values := func(path string, want ...int64) {
		t.Helper()
		rows, _ := w.list(path)
		var got []int64
		for _, r := range rows {
			got = append(got, r.Value)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", path, got, want)
		}
	}
	values("/stores/windows/k010", 10, 110, 210)
	values("/stores/windows/k010?order=desc", 210, 110, 10)
	values("/stores/windows/k010?from=110&to=210", 110, 210)
	values("/stores/windows/k010?from=111&to=209")
	values("/stores/windows?from=110&to=110&key_from=k010&key_to=k011", 110, 111)
	values("/stores/sessions/k010", 10, 110, 210)
	values("/stores/sessions/k010?from=116", 210)
	if r := w.get("/stores/sessions/k010?start=110&end=115", 200); r.Value != 110 {
		t.Fatal(r)
	}
	values("/stores/versions/k010?from=0&to=1000", 210, 110, 10)
	values("/stores/versions/k010?from=0&to=109&order=asc", 10)
	if r := w.get("/stores/versions/k010", 200); r.Value != 210 || *r.Time != 210 {
		t.Fatal(r)
	}
	if r := w.get("/stores/versions/k010?at=209", 200); r.Value != 110 {
		t.Fatal(r)
	}
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/stores/plain/nobody":           {404, "no_key"},
		"/stores/windows/k010?start=120": {404, "no_key"},
		"/stores/none/k":                 {404, "no_store"},
		"/none":                          {404, "no_page"},
		"/stores/plain?limit=0":          {400, "bad_request"},
		"/stores/plain?from=1":           {400, "bad_request"},
		"/stores/plain?cursor=abc":       {400, "bad_request"},
		"/stores/plain/k?partition=6":    {400, "bad_request"},
		"/stores/versions":               {400, "bad_request"},
		"/stores/plain/x?encoding=json":  {400, "bad_request"},
		"/stores/plain/k010?at=1":        {400, "bad_request"},
		"/stores/plain/k010?position={%22lines%22:{%220%22:1}}": {500, "failed"},
	} {
		if r := w.get(path, want.status); r.Error == nil || r.Error.Code != want.code || r.Error.Message == "" {
			t.Fatalf("%s: %+v, want %+v", path, r.Error, want)
		}
	}
}

// checkPages goes through a store by its cursors, and wants what one answer has.
func checkPages(t *testing.T, w web, store, order string) {
	t.Helper()
	want, _ := w.list("/stores/" + store + "?limit=1000&order=" + order)
	var got []rowOf
	for cursor := ""; ; {
		rows, sum := w.list("/stores/" + store + "?limit=37&order=" + order + cursor)
		got = append(got, rows...)
		if sum.Cursor == "" {
			break
		}
		cursor = "&cursor=" + sum.Cursor
	}
	if len(got) != len(want) {
		t.Fatalf("%s %s: %d entries in pages, %d at once", store, order, len(got), len(want))
	}
	for i := range got {
		if got[i].Key != want[i].Key || got[i].Value != want[i].Value || string(got[i].Start) != string(want[i].Start) {
			t.Fatalf("%s %s, entry %d: %+v in pages, %+v at once", store, order, i, got[i], want[i])
		}
	}
}

// TestQueriesWhileTasksMove asks all instances for all keys while instances come and go: counts never shrink, and no entry that
// was there is gone.
func TestQueriesWhileTasksMove(t *testing.T) {
	c := start(t, "leat")
	c.create(4, "lines", "counts")
	first, w1 := c.serving("moving", wordCount)
	first.await(streams.Running)
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	sent := 0
	work.Go(func() {
		for ctx.Err() == nil {
			var batch []*kgo.Record
			for i := range 20 {
				batch = append(batch, &kgo.Record{Topic: "lines", Key: []byte(strconv.Itoa(i)), Value: fmt.Appendf(nil, "w%d w%d", (sent+i)%10, i%10)})
			}
			if c.client.ProduceSync(ctx, batch...).FirstErr() == nil {
				sent += len(batch)
			}
		}
	})
	var mu sync.Mutex
	hosts := []string{w1.host}
	asked, answered := 0, 0
	seen := map[string]int64{}
	for worker := range 3 {
		work.Go(func() {
			for i := worker; ctx.Err() == nil; i++ {
				mu.Lock()
				host := hosts[i%len(hosts)]
				key := "w" + strconv.Itoa(i%10)
				floor := seen[key]
				asked++
				mu.Unlock()
				code, _, body, err := (web{t, host}).fetch(ctx, "/stores/words/"+key)
				if err != nil {
					continue // the instance has gone
				}
				var r rowOf
				_ = json.Unmarshal(body, &r)
				switch {
				case code == 200 && r.Value < floor, code == 404 && floor > 0:
					t.Errorf("%s at %s was %d and is %d: %s", key, host, floor, code, body)
					return
				case code == 200:
					mu.Lock()
					answered++
					seen[key] = max(seen[key], r.Value)
					mu.Unlock()
				case code != 404 && code != 503 && code != 502 && code != 504:
					t.Errorf("%s at %s: %d %s", key, host, code, body)
					return
				}
			}
		})
	}
	progress := func() {
		mu.Lock()
		had := answered
		mu.Unlock()
		until(t, "answers", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return answered > had+100 || t.Failed()
		})
	}
	progress()
	for range 2 {
		second, w2 := c.serving("moving", wordCount)
		second.await(streams.Running)
		mu.Lock()
		hosts = append(hosts, w2.host)
		mu.Unlock()
		progress()
		second.close()
		mu.Lock()
		hosts = hosts[:1]
		mu.Unlock()
		progress()
	}
	stop()
	work.Wait()
	t.Logf("%d of %d questions answered", answered, asked)
}

// TestStandbysAnswer kills an instance: until its session times out its tasks run nowhere, and their copies answer who allows
// it. What copies say of their positions is true.
func TestStandbysAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("a session times out")
	}
	c := start(t, "leat")
	c.create(4, "lines", "counts")
	addr, err := launch.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	first := c.launch(spec{ID: "copied", Serve: addr, Standbys: 1, Workers: 1})
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("x%d=w%d w%d", i, i%50, i%20))
	}
	c.send("lines", lines...)
	second, w := c.serving("copied", wordCount, streams.Standbys(1), streams.SessionTimeout(6*time.Second))
	want := map[string]int64{}
	until(t, "two instances that have copies of each other's tasks", func() bool {
		copies := 0
		for _, h := range second.app.StoreHosts("words") {
			if len(h.Active) == 0 || !slices.Contains(h.StandbyStores, "words") {
				return false
			}
			copies += len(h.Standby)
		}
		code, _, body, err := w.fetch(t.Context(), "/stores/words?limit=1000")
		rows, _, broken := linesOf(body)
		total := int64(0)
		clear(want)
		for _, r := range rows {
			want[r.Key] = r.Value
			total += r.Value
		}
		return copies >= 4 && err == nil && code == 200 && broken == nil && total == 400
	})
	until(t, "copies that lack nothing", func() bool {
		lags, err := second.app.Lags(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		behind := int64(0)
		for _, l := range lags["words"] {
			behind += l.Lag
		}
		return behind == 0 && len(lags["words"]) == 4
	})
	foreign := askCopies(t, second, w)
	first.kill()
	lost, stale := 0, 0
	for k, v := range want {
		if r := w.get("/stores/words/"+k+"?stale=true", 200); r.Value != v || r.Stale && !foreign[k] {
			t.Fatalf("%s is %+v, want %d", k, r, v)
		} else if r.Stale {
			stale++
		}
		if foreign[k] && lost < 3 { // each takes a moment
			lost++
			if code, _, body, err := w.fetch(t.Context(), "/stores/words/"+k); err != nil || code != 502 && code != 503 {
				t.Fatalf("%s, whose owner was killed: %d %s %v", k, code, body, err)
			}
		}
	}
	if stale == 0 {
		t.Fatal("no copy answered")
	}
	rows, sum := w.list("/stores/words?limit=1000&max_lag=0")
	for _, r := range rows {
		if want[r.Key] != r.Value {
			t.Fatalf("%s is %d, want %d", r.Key, r.Value, want[r.Key])
		}
	}
	if len(rows) != len(want) || sum.Lag != 0 {
		t.Fatalf("%d entries, want %d, %+v", len(rows), len(want), sum)
	}
	until(t, "the take-over", func() bool {
		code, _, body, err := w.fetch(t.Context(), "/stores/words?count=true")
		return err == nil && code == 200 && strings.Contains(string(body), fmt.Sprintf(`"count":%d}`, len(want)))
	})
	second.close()
}

// askCopies asks the second instance for what the first one runs: not by default, and with positions. It gives the keys.
func askCopies(t *testing.T, second *running, w web) map[string]bool {
	t.Helper()
	foreign := map[string]bool{}
	own, err := second.app.Query(counted)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		k := "w" + strconv.Itoa(i)
		_, _, err := own.Get(k)
		if foreign[k] = errors.Is(err, streams.ErrNotHere); err != nil && !foreign[k] {
			t.Fatal(err)
		}
		if !foreign[k] {
			continue
		}
		r := w.get("/stores/words/"+k, 200)
		var how streams.Answer
		stale, err := second.app.Query(counted, streams.MaxLag(0), streams.AtLeast(r.Position, patience), streams.Into(&how))
		if err != nil {
			t.Fatal(err)
		}
		v, ok, err := stale.Get(k)
		if v != r.Value || !ok || err != nil || !how.Stale || how.Lag != 0 || len(how.Position) == 0 {
			t.Fatal(k, v, ok, err, how, r)
		}
		ahead := streams.Position{}
		for topic, at := range r.Position {
			for p, offset := range at {
				ahead = ahead.At(topic, p, offset+1)
			}
		}
		stale, err = second.app.Query(counted, streams.AllowStale(), streams.AtLeast(ahead, 0))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := stale.Get(k); !errors.Is(err, streams.ErrBehind) {
			t.Fatalf("a copy that has not seen %v gives %v", ahead, err)
		}
	}
	if !slices.Contains(slices.Collect(maps.Values(foreign)), true) {
		t.Fatal("the second instance has all")
	}
	return foreign
}
