package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
)

// askedWorker is a worker whose rounds the test makes.
func askedWorker(tasks ...*runningTask) *worker {
	w := &worker{wake: make(chan struct{}, 1), done: make(chan struct{}), tasks: tasks}
	w.p = &process{app: &App{clk: clock.System}}
	return w
}

func TestQuestions(t *testing.T) {
	mine, other := &runningTask{ready: true}, &runningTask{ready: true}
	w := askedWorker(mine)
	ask := func(ctx context.Context, task *runningTask, f func(*runningTask) error) error {
		var err error
		var wait sync.WaitGroup
		wait.Go(func() { err = w.ask(ctx, task, f) })
		<-w.wake // it is in the list
		w.answerAll()
		wait.Wait()
		return err
	}
	ran := false
	if err := ask(t.Context(), mine, func(*runningTask) error { ran = true; return nil }); err != nil || !ran {
		t.Fatal(err, ran)
	}
	if err := ask(t.Context(), other, func(*runningTask) error { return nil }); !errors.Is(err, errMoved) {
		t.Fatalf("a worker answers for a task that it does not have: %v", err)
	}
	if err := ask(t.Context(), mine, func(*runningTask) error { panic("a serde") }); err == nil || !strings.Contains(err.Error(), "a serde") {
		t.Fatalf("a panic gives %v", err)
	}
	mine.ready = false
	if err := ask(t.Context(), mine, func(*runningTask) error { return nil }); !errors.Is(err, errMoved) {
		t.Fatalf("a worker answers for a task that does not run yet: %v", err)
	}
	mine.ready = true

	// Who gives up is not written to any more.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.ask(gone, mine, func(*runningTask) error { ran = false; return nil }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-w.wake
	w.answerAll()
	if !ran {
		t.Fatal("a question ran that nobody waits for")
	}
	// One that runs is waited for.
	began, goOn := make(chan struct{}), make(chan struct{})
	late, cancelLate := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := w.ask(late, mine, func(*runningTask) error { close(began); <-goOn; ran = false; return nil }); err != nil {
			t.Error(err)
		}
		if ran {
			t.Error("the asker did not wait for its question")
		}
	})
	<-w.wake
	wait.Go(w.answerAll)
	<-began
	cancelLate()
	close(goOn)
	wait.Wait()

	w.down.Store(true)
	if err := w.ask(t.Context(), mine, nil); !errors.Is(err, errMoved) {
		t.Fatalf("a worker that failed gives %v", err)
	}
	w.down.Store(false)
	close(w.done)
	if err := w.ask(t.Context(), mine, nil); !errors.Is(err, errMoved) {
		t.Fatalf("a worker that ended gives %v", err)
	}
}

// TestReached holds positions to KIP-796: of a bound only the task's own partitions count, and all of those must be reached.
func TestReached(t *testing.T) {
	id := TaskID{0, 1}
	a1, a2, b1 := TopicPartition{"a", 1}, TopicPartition{"a", 2}, TopicPartition{"b", 1}
	at := map[TopicPartition]int64{a1: 5, b1: -1}
	for _, c := range []struct {
		want map[TopicPartition]int64
		ok   bool
	}{
		{nil, true},
		{map[TopicPartition]int64{a1: 5}, true},
		{map[TopicPartition]int64{a1: 6}, false},
		{map[TopicPartition]int64{a2: 100}, true},
		{map[TopicPartition]int64{a1: 4, b1: 0}, false},
		{map[TopicPartition]int64{b1: -1}, true},
		{map[TopicPartition]int64{{"c", 1}: 0}, false},
		{map[TopicPartition]int64{{"c", 1}: -1}, true},
	} {
		if _, ok := reached(id, at, c.want); ok != c.ok {
			t.Errorf("%v is %t, want %t", c.want, ok, c.ok)
		}
	}
}

// TestProof follows a copy that comes to where a position was found, and one that begins anew.
func TestProof(t *testing.T) {
	log := TopicPartition{"app-store-changelog", 0}
	in := TopicPartition{"in", 0}
	c := &copies{at: map[TaskID]*copyPosition{}, ends: map[TopicPartition]knownEnd{}}
	task := &runningTask{id: TaskID{0, 0}}
	p := &process{app: &App{clk: clock.System}}
	c.at[task.id] = &copyPosition{
		task: task, asked: time.Now().Add(time.Hour), // the cluster is not asked
		next: &proof{position: map[TopicPartition]int64{in: 7}, ends: map[TopicPartition]int64{log: 20}},
	}
	at := func(applied int64) map[TopicPartition]int64 {
		got, err := c.position(t.Context(), p, task, map[TopicPartition]int64{log: applied}, nil, map[TopicPartition]int64{in: 7})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := at(19); len(got) != 0 {
		t.Fatalf("a copy that lacks a record is at %v", got)
	}
	if got := at(20); got[in] != 7 {
		t.Fatalf("a copy that has everything is at %v", got)
	}
	if got := at(25); got[in] != 7 {
		t.Fatal(got)
	}
	if got := at(3); len(got) != 0 {
		t.Fatalf("a copy that began anew is at %v", got)
	}
}

func TestParseTaskID(t *testing.T) {
	for _, id := range []TaskID{{0, 0}, {12, 345}} {
		if got, ok := ParseTaskID(id.String()); !ok || got != id {
			t.Fatal(got, ok)
		}
	}
	for _, text := range []string{"", "_", "0_", "_0", "0", "00_1", "+1_1", "-1_1", "0_-1", "1_2_3", "0_99999999999", "a_b"} {
		if id, ok := ParseTaskID(text); ok {
			t.Errorf("%q is %v", text, id)
		}
	}
}

func FuzzParseTaskID(f *testing.F) {
	f.Add("0_1")
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := ParseTaskID(s); ok && id.String() != s {
			t.Fatalf("%q is %v", s, id)
		}
	})
}
