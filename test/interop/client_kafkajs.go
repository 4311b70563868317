package main

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// kafkaJS drives kafkajs, whose maximum versions are those of 2020.
func kafkaJS(ctx context.Context, e *env) error {
	if err := have("node", "nodejs"); err != nil {
		return err
	}
	if err := have("npm", "npm"); err != nil {
		return err
	}
	// Modules are found upwards from the script, so it runs from a copy in the job's folder.
	for _, name := range []string{"job.js", "package.json", "package-lock.json"} {
		data, err := os.ReadFile(e.source("kafkajs", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(e.work, name), data, 0o640); err != nil {
			return err
		}
	}
	if err := e.fetch(ctx, command{limit: 2 * time.Minute}, "npm", "ci", "--silent", "--no-audit", "--no-fund"); err != nil {
		return skip("npm could not fetch kafkajs: %v", err)
	}
	return e.script(ctx, command{limit: 2 * time.Minute, env: []string{"KAFKAJS_NO_PARTITIONER_WARNING=1"}}, "node", "job.js", e.addr)
}
