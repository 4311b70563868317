package store

import (
	"strings"
	"testing"

	"leat.dev/internal/registry/schema"
)

// compacted is what a cleaner leaves of a log: the last record of each key, and in the end no tombstones either.
func compacted(log []Record) []Record {
	last := map[string]int{}
	for i, r := range log {
		last[string(r.Key)] = i
	}
	var out []Record
	for i, r := range log {
		if last[string(r.Key)] == i && r.Value != nil {
			out = append(out, r)
		}
	}
	return out
}

func replay(log []Record) *State {
	s := New()
	for i, r := range log {
		s.Apply(r, int64(i))
	}
	return s
}

func register(t *testing.T, s *State, log *[]Record, subject, name string) int {
	t.Helper()
	v, _, records, err := s.Register(Registration{Subject: subject, ID: NoID, Source: schema.Source{Type: schema.Avro, Text: `{"type":"enum","name":"` + name + `","symbols":[]}`}})
	if err != nil {
		t.Fatal(err)
	}
	write(s, log, records)
	return v.ID
}

// write is what package topic does with the records of a decision.
func write(s *State, log *[]Record, records []Record) {
	for _, r := range records {
		if r.Value == nil {
			records = append(records, s.Noop())
			break
		}
	}
	for _, r := range records {
		*log = append(*log, r)
		s.Apply(r, int64(len(*log)))
	}
}

// An id that was given out once is not given out again, though everything that held it was deleted and compacted away, be it
// a whole context.
func TestIDsAfterCompaction(t *testing.T) {
	for _, subject := range []string{"s", ":.c:s"} {
		s, log := New(), []Record(nil)
		for i, name := range []string{"a", "b"} {
			if id := register(t, s, &log, subject, name+"1"); i == 0 && id != 1 {
				t.Fatalf("the first id is %d", id)
			}
			for _, permanent := range []bool{false, true} {
				_, records, err := s.DeleteSubject(subject, permanent)
				if err != nil {
					t.Fatal(err)
				}
				write(s, &log, records)
			}
		}
		name, _ := Split(subject)
		if name != DefaultContext {
			records, err := s.DeleteContext(name)
			if err != nil {
				t.Fatal(err)
			}
			write(s, &log, records)
		}
		for what, again := range map[string]*State{"replayed": replay(log), "compacted": replay(compacted(log))} {
			if got := again.Contexts(); len(got) != 1 {
				t.Errorf("%s: contexts %q", what, got)
			}
			if id := register(t, again, &[]Record{}, subject, "c"); id != 3 {
				t.Errorf("%s, %s: id %d, want 3", subject, what, id)
			}
		}
	}
}

// The first record of a context comes before its first schema, so that other registries know the context too.
func TestContextRecordFirst(t *testing.T) {
	s, log := New(), []Record(nil)
	register(t, s, &log, ":.c:s", "a")
	register(t, s, &log, ":.c:s2", "b")
	if len(log) != 3 || !strings.Contains(string(log[0].Key), `"CONTEXT","tenant":"default","context":".c"`) {
		t.Errorf("%d records, the first %s", len(log), log[0].Key)
	}
}
