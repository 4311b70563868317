package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// confluentJSVersion is the release of @confluentinc/kafka-javascript that judges the broker.
const confluentJSVersion = "1.10.1"

// confluentJS drives Confluent's client for node. Its package brings a binary from GitHub, or builds librdkafka with the
// machine's compiler and libraries where that cannot be reached; the result is kept between runs.
func confluentJS(ctx context.Context, e *env) error {
	if err := have("node", "nodejs"); err != nil {
		return err
	}
	if err := have("npm", "npm"); err != nil {
		return err
	}
	dir, err := cacheDir("confluent-kafka-javascript-" + confluentJSVersion)
	if err != nil {
		return err
	}
	built := filepath.Join(dir, "node_modules", "@confluentinc", "kafka-javascript", "build", "Release", "confluent-kafka-javascript.node")
	if _, err := os.Stat(built); err != nil {
		pkg := fmt.Sprintf(`{"name": "leat-interop", "private": true, "dependencies": {"@confluentinc/kafka-javascript": %q}}`, confluentJSVersion)
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(pkg), 0o640); err != nil {
			return err
		}
		if _, err := e.run(ctx, command{dir: dir, limit: 10 * time.Minute, env: []string{"CKJS_LINKING=dynamic"}}, "npm", "install", "--silent", "--no-audit", "--no-fund"); err != nil {
			return skip("npm could not fetch or build @confluentinc/kafka-javascript (Debian: apt-get install g++ make libcurl4-openssl-dev): %v", firstLine(err))
		}
	}
	data, err := os.ReadFile(e.source("confluentjs", "job.js"))
	if err != nil {
		return err
	}
	job := filepath.Join(dir, "job.js") // modules are found upwards from the script
	if err := os.WriteFile(job, data, 0o640); err != nil {
		return err
	}
	return e.script(ctx, command{dir: dir, limit: 4 * time.Minute}, "node", job, e.addr)
}
