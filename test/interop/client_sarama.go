package main

import (
	"context"
	"path/filepath"
	"time"
)

// sarama builds the program in the folder of that name, a module of its own so that sarama is no dependency
// of ours, and runs it once as an old and once as a new client.
func sarama(ctx context.Context, e *env) error {
	binary := filepath.Join(e.work, "sarama-job")
	dir := e.source("sarama")
	if err := e.modules(ctx, dir); err != nil {
		return err
	}
	if _, err := e.run(ctx, command{dir: dir, limit: 4 * time.Minute, env: []string{"GOFLAGS=-buildvcs=false"}}, "go", "build", "-o", binary, "."); err != nil {
		return err
	}
	for _, version := range []string{"2.1.0", "4.1.0"} {
		if err := e.script(ctx, command{limit: 2 * time.Minute}, binary, e.addr, version); err != nil {
			return err
		}
	}
	return nil
}
