package main

import (
	"context"
	"fmt"
	"strings"
)

// kcat drives Debian's kcat, which is built on an old librdkafka: the lower versions of each API.
func kcat(ctx context.Context, e *env) error {
	if err := have("kcat", "kcat"); err != nil {
		return err
	}
	run := func(stdin string, args ...string) (string, error) {
		return e.run(ctx, command{stdin: stdin}, "kcat", append([]string{"-b", e.addr}, args...)...)
	}
	const topic = "kcat-events"
	e.step(ctx, "metadata of a new cluster", func() error {
		out, err := run("", "-L")
		if err != nil {
			return err
		}
		return expect(out, `1 brokers:`, `broker \d+ at 127\.0\.0\.1:\d+`)
	})
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, "key-%d:value-%d\n", i%7, i)
	}
	e.step(ctx, "produce with keys, creating the topic", func() error {
		_, err := run(lines.String(), "-P", "-t", topic, "-K:", "-X", "topic.request.required.acks=all")
		return err
	})
	e.step(ctx, "topic listing", func() error {
		out, err := run("", "-L", "-t", topic)
		if err != nil {
			return err
		}
		return expect(out, `topic "kcat-events" with 4 partitions`, `partition 3, leader \d+`)
	})
	e.step(ctx, "consume from the beginning", func() error {
		out, err := run("", "-C", "-q", "-e", "-t", topic, "-o", "beginning", "-f", "%k:%s\n")
		if err != nil {
			return err
		}
		return sameLines(out, lines.String())
	})
	e.step(ctx, "consume as a group, and nothing again after the commit", func() error {
		out, err := run("", "-G", "kcat-group", "-q", "-e", "-X", "auto.offset.reset=earliest", "-f", "%k:%s\n", topic)
		if err != nil {
			return err
		}
		if err := sameLines(out, lines.String()); err != nil {
			return err
		}
		out, err = run("", "-G", "kcat-group", "-q", "-e", "-X", "auto.offset.reset=earliest", "-f", "%k:%s\n", topic)
		if err != nil {
			return err
		}
		return sameLines(out, "")
	})
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		e.step(ctx, "round trip with "+codec, func() error {
			t := "kcat-" + codec
			if _, err := run(lines.String(), "-P", "-t", t, "-K:", "-z", codec); err != nil {
				return err
			}
			out, err := run("", "-C", "-q", "-e", "-t", t, "-o", "beginning", "-f", "%k:%s\n")
			if err != nil {
				return err
			}
			return sameLines(out, lines.String())
		})
	}
	e.step(ctx, "idempotent producer", func() error {
		if _, err := run(lines.String(), "-P", "-t", "kcat-idem", "-K:", "-X", "enable.idempotence=true"); err != nil {
			return err
		}
		out, err := run("", "-C", "-q", "-e", "-t", "kcat-idem", "-f", "%k:%s\n")
		if err != nil {
			return err
		}
		return sameLines(out, lines.String())
	})
	e.step(ctx, "headers, null value, timestamps as JSON", func() error {
		if _, err := run("k1:v1\n", "-P", "-t", "kcat-headers", "-p", "0", "-K:", "-H", "a=1", "-H", "b=two"); err != nil {
			return err
		}
		if _, err := run("k2:\n", "-P", "-t", "kcat-headers", "-p", "0", "-K:", "-Z"); err != nil {
			return err
		}
		out, err := run("", "-C", "-q", "-e", "-t", "kcat-headers", "-p", "0", "-J")
		if err != nil {
			return err
		}
		return expect(out, `"headers":\["a","1","b","two"\]`, `"key":"k2","payload":null`, `"tstype":"create"`, `"offset":1`)
	})
	e.step(ctx, "offsets by time", func() error {
		out, err := run("", "-Q", "-t", "kcat-headers:0:-1", "-t", "kcat-headers:0:-2", "-t", "kcat-headers:0:1")
		if err != nil {
			return err
		}
		return expect(out, `kcat-headers \[0\] offset \d`)
	})
	e.step(ctx, "last messages by negative offset", func() error {
		out, err := run("", "-C", "-q", "-e", "-t", "kcat-headers", "-p", "0", "-o", "-1", "-f", "%o\n")
		if err != nil {
			return err
		}
		return sameLines(out, "1\n")
	})
	return nil
}

// sameLines compares two texts as bags of lines: partitions come in any order.
func sameLines(got, want string) error {
	count := map[string]int{}
	for line := range strings.Lines(want) {
		count[strings.TrimRight(line, "\n")]++
	}
	for line := range strings.Lines(got) {
		count[strings.TrimRight(line, "\n")]--
	}
	missing, extra, example := 0, 0, ""
	for line, n := range count {
		if n > 0 {
			missing += n
		}
		if n < 0 {
			extra -= n
		}
		if n != 0 {
			example = line
		}
	}
	if missing+extra > 0 {
		return fmt.Errorf("%d lines missing and %d too many, for example %q", missing, extra, example)
	}
	return nil
}
