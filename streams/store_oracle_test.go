package streams

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"leat.dev/streams/internal/state"
)

// TestAsKafka runs the scripts of testdata/stores, in which Kafka Streams' own stores have answered: what is read, in which
// order changes are forwarded and logged, what is evicted when.
func TestStoresAsKafka(t *testing.T) {
	files, err := filepath.Glob("testdata/stores/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			check(t, err)
			lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
			s := openScripted(t, lines[0])
			for i := 1; i < len(lines); {
				record := lines[i]
				want := ""
				line := i + 1
				for i++; i < len(lines) && strings.HasPrefix(lines[i], "  "); i++ {
					want += lines[i] + "\n"
				}
				if got := s.run(t, record); got != want {
					t.Fatalf("line %d: %s\n got:\n%s\nwant:\n%s", line, record, got, want)
				}
			}
		})
	}
}

type scripted struct {
	e      *storeTask
	out    strings.Builder
	offset int64
	op     func(a []string) (string, error)
}

func openScripted(t *testing.T, head string) *scripted {
	conf := map[string]string{}
	for _, f := range strings.Fields(head) {
		k, v, _ := strings.Cut(f, "=")
		conf[k] = v
	}
	number := func(k string, def int64) int64 {
		if n, err := strconv.ParseInt(conf[k], 10, 64); err == nil {
			return n
		}
		return def
	}
	s := &scripted{e: newStoreTask(t, state.Memory(), number("bytes", 10<<20))}
	p := storeSpec{name: "s", cached: conf["cached"] == "true", inMemory: conf["memory"] == "true"}
	listen, sendOld := conf["listener"] == "true", conf["sendold"] == "true"
	retention := time.Duration(number("retention", 100000)) * time.Millisecond
	switch conf["store"] {
	case "kv":
		st := openIn[*kvStore[string, string]](t, s.e, p.kv(String, String))
		s.op = func(a []string) (string, error) { return s.kv(st, a) }
	case "table":
		st := openIn[*tableStore[string, string]](t, s.e, p.table(String, String))
		if listen {
			st.onFlush(listenText[string](s, func(k string) string { return k }), sendOld)
		}
		s.op = func(a []string) (string, error) { return s.table(st, a) }
	case "window":
		st := openIn[*windowStore[string, string]](t, s.e, p.window(String, String, 10*time.Millisecond, retention))
		if listen {
			st.onFlush(listenText[Windowed[string]](s, windowText), sendOld)
		}
		s.op = func(a []string) (string, error) { return s.window(st, a) }
	default:
		st := openIn[*sessionStore[string, string]](t, s.e, p.session(String, String, retention))
		if listen {
			st.onFlush(listenText[Windowed[string]](s, windowText), sendOld)
		}
		s.op = func(a []string) (string, error) { return s.session(st, a) }
	}
	return s
}

func windowText(w Windowed[string]) string { return fmt.Sprintf("%s[%d,%d]", w.Key, w.Start, w.End) }

func valueText(v string, at Time, ok, stamped bool) string {
	switch {
	case !ok:
		return "-"
	case !stamped:
		return v
	}
	return fmt.Sprintf("%s@%d", v, at)
}

func listenText[K any](s *scripted, key func(K) string) sink[K, change[string]] {
	return func(r *Record[K, change[string]]) error {
		// The raw listener of the oracle sees values with their times; here they are what was put.
		_, session := any(r.Key).(Windowed[string])
		session = session && strings.HasPrefix(fmt.Sprintf("%T", s.e.stores["s"]), "*streams.sessionStore")
		newText, oldText := "-", "-"
		if r.Value.HasNew {
			newText = r.Value.New
			if !session {
				newText += fmt.Sprintf("@%d", r.Time)
			}
		}
		if r.Value.HasOld {
			oldText = r.Value.Old
		}
		fmt.Fprintf(&s.out, "  fwd %s %s old %s time %d\n", key(r.Key), newText, oldText, r.Time)
		return nil
	}
}

// run does what a record says, and commits.
func (s *scripted) run(t *testing.T, record string) string {
	at, ops, _ := strings.Cut(record[1:], " ")
	ms, err := strconv.ParseInt(at, 10, 64)
	check(t, err)
	s.e.at(Time(ms), s.offset)
	s.offset++
	s.out.Reset()
	s.e.sent = nil
	for op := range strings.SplitSeq(ops, "|") {
		text, err := s.op(strings.Fields(op))
		check(t, err)
		if text != "" {
			s.out.WriteString("  " + text + "\n")
		}
	}
	check(t, s.e.Flush())
	check(t, s.e.Committed(nil))
	for _, o := range s.e.sent {
		value := "-"
		if o.Value != nil {
			value = string(o.Value)
		}
		fmt.Fprintf(&s.out, "  log %s %s time %d\n", bytesText(o.Key), value, o.Time)
	}
	return s.out.String()
}

func bytesText(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		if c >= 33 && c < 127 && c != '\\' {
			s.WriteByte(c)
		} else {
			fmt.Fprintf(&s, "\\%02x", c)
		}
	}
	return s.String()
}

func rowsText[K any](what string, r *rows[K, string], key func(K) string, stamped bool) (string, error) {
	for r.next() {
		what += " " + key(r.key) + "=" + valueText(r.value, r.at, true, stamped)
	}
	return what, r.close()
}

func same(k string) string { return k }

func (s *scripted) kv(st *kvStore[string, string], a []string) (string, error) {
	switch a[0] {
	case "put":
		if a[2] == "-" {
			return "", st.Delete(a[1])
		}
		return "", st.Put(a[1], a[2])
	case "get":
		v, ok, err := st.Get(a[1])
		return "get " + a[1] + " " + valueText(v, 0, ok, false), err
	}
	return rowsText("all", st.scan(nil, nil, false), same, false)
}

func numberAt(a []string, i int) Time {
	if i >= len(a) {
		return 0
	}
	n, err := strconv.ParseInt(a[i], 10, 64)
	if err != nil {
		panic(err)
	}
	return Time(n)
}

func (s *scripted) table(st *tableStore[string, string], a []string) (string, error) {
	switch a[0] {
	case "put":
		if a[2] == "-" {
			return "", st.put(a[1], "", s.e.rc.time, false, nil)
		}
		return "", st.put(a[1], a[2], numberAt(a, 3), true, nil)
	case "get":
		v, at, ok, err := st.get(a[1])
		return "get " + a[1] + " " + valueText(v, at, ok, true), err
	case "range", "rrange":
		return rowsText(a[0], st.scan(&a[1], &a[2], a[0] == "rrange"), same, true)
	case "prefix":
		return rowsText(a[0], st.prefix([]byte(a[1]), false), same, true)
	}
	return rowsText("all", st.scan(nil, nil, false), same, true)
}

func (s *scripted) window(st *windowStore[string, string], a []string) (string, error) {
	switch a[0] {
	case "put":
		if a[3] == "-" {
			return "", st.put(a[1], numberAt(a, 2), "", s.e.rc.time, false, nil)
		}
		return "", st.put(a[1], numberAt(a, 2), a[3], numberAt(a, 4), true, nil)
	case "get":
		v, at, ok, err := st.fetch(a[1], numberAt(a, 2))
		return "get " + a[1] + " " + a[2] + " " + valueText(v, at, ok, true), err
	case "range", "rrange":
		r := st.scan(a[1], numberAt(a, 2), numberAt(a, 3), a[0] == "rrange")
		return rowsText(a[0], r, func(w Windowed[string]) string { return fmt.Sprint(int64(w.Start)) }, true)
	}
	return rowsText("all", st.scanAll(numberAt(a, 1), numberAt(a, 2)), windowText, true)
}

func (s *scripted) session(st *sessionStore[string, string], a []string) (string, error) {
	switch a[0] {
	case "put":
		w := Windowed[string]{a[1], numberAt(a, 2), numberAt(a, 3)}
		return "", st.put(w, a[4], s.e.rc.time, a[4] != "-", nil)
	case "get":
		v, ok, err := st.get(Windowed[string]{a[1], numberAt(a, 2), numberAt(a, 3)})
		return "get " + a[1] + " " + a[2] + " " + a[3] + " " + valueText(v, 0, ok, false), err
	}
	return rowsText(a[0], st.findKey(a[1], numberAt(a, 2), numberAt(a, 3), a[0] == "rfind"), windowText, false)
}
