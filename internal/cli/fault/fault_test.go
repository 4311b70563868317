package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestText(t *testing.T) {
	e := Failed("cannot do %s", "it").WithDetail("first\nsecond").WithHint("try %d", 2)
	want := "error: cannot do it\n  detail: first\n    second\n  hint: try 2\n"
	if got := Text(fmt.Errorf("wrapped: %w", e)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Text(errors.New("plain")); got != "error: plain\n" {
		t.Errorf("got %q", got)
	}
	if o := ToObject(e); o != (Object{"cannot do it", "first\nsecond", "try 2"}) {
		t.Errorf("got %+v", o)
	}
}

func TestExitCodes(t *testing.T) {
	for want, errs := range map[int][]error{
		ExitOK:     {nil},
		ExitFailed: {errors.New("x"), Failed("x"), ErrReported, fmt.Errorf("a: %w", Failed("x"))},
		ExitUsage:  {Usage("x"), fmt.Errorf("a: %w", Usage("x").WithHint("y"))},
	} {
		for _, err := range errs {
			if got := ExitCode(err); got != want {
				t.Errorf("%v has exit code %d, want %d", err, got, want)
			}
		}
	}
	if !errors.Is(Failed("x: %w", io.EOF), io.EOF) {
		t.Error("the cause is lost")
	}
}

func TestNear(t *testing.T) {
	known := []string{"quakes", "quotes", "orders", "order-events", "a", "payments-2024"}
	for want, names := range map[string][]string{
		"quake": {"quakes"}, "qaukes": {"quakes"}, "ordres": {"orders"}, "order": {"orders", "order-events"},
		"payments": {"payments-2024"}, "xyz": nil, "b": {"a"}, "quakes": {"quotes"}, "QUAKES": {"quakes", "quotes"},
	} {
		if got := Near(want, known); !slices.Equal(got, names) {
			t.Errorf("near %q: got %q, want %q", want, got, names)
		}
	}
	if got := DidYouMean("xyz", known, "none"); got != "none" {
		t.Errorf("got %q", got)
	}
	if got := DidYouMean("order", known, ""); got != `did you mean "orders" or "order-events"?` {
		t.Errorf("got %q", got)
	}
}

func TestKafka(t *testing.T) {
	for _, c := range []struct {
		err     error
		message string
		detail  string
		hint    bool
	}{
		{kerr.TopicAlreadyExists, "Topic 't' already exists.", "Topic 't' already exists (TOPIC_ALREADY_EXISTS)", true},
		{kerr.TopicAlreadyExists, "", "Topic with this name already exists (TOPIC_ALREADY_EXISTS)", true},
		{kerr.UnknownServerError, "", "The server experienced an unexpected error when processing the request (UNKNOWN_SERVER_ERROR)", false},
		{context.DeadlineExceeded, "", "no answer within the time limit", true},
		{context.Canceled, "", "interrupted", false},
		{io.EOF, "", "EOF", false},
	} {
		err := Kafka("make it", c.err, c.message)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Primary != "cannot make it" || e.Detail != c.detail || (e.Hint != "") != c.hint || !errors.Is(err, c.err) {
			t.Errorf("%v: got %+v", c.err, e)
		}
	}
	if Kafka("x", nil, "") != nil {
		t.Error("no error is an error")
	}
}
