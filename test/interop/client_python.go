package main

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// Versions are pinned: a client's new release must not fail a change that did not touch it.
func confluentKafka(ctx context.Context, e *env) error {
	return python(ctx, e, "confluent_job.py", "confluent-kafka==2.16.1")
}

func kafkaPython(ctx context.Context, e *env) error {
	return python(ctx, e, "kafka_python_job.py", "kafka-python==2.3.0")
}

func aioKafka(ctx context.Context, e *env) error {
	return python(ctx, e, "aiokafka_job.py", "aiokafka==0.12.0")
}

// python runs a script in a virtual environment of its own that holds one package.
func python(ctx context.Context, e *env, script, requirement string, args ...string) error {
	if err := have("python3", "python3 python3-venv"); err != nil {
		return err
	}
	venv, err := cacheDir("venv-" + requirement)
	if err != nil {
		return err
	}
	bin := filepath.Join(venv, "bin", "python")
	done := filepath.Join(venv, ".complete")
	if _, err := os.Stat(done); err != nil {
		if _, err := e.run(ctx, command{limit: 2 * time.Minute}, "python3", "-m", "venv", "--clear", venv); err != nil {
			return skip("no virtual environment (Debian: apt-get install python3-venv): %v", err)
		}
		if err := e.fetch(ctx, command{limit: 3 * time.Minute}, bin, "-m", "pip", "install", "-q", requirement); err != nil {
			return skip("PyPI has no %s for this machine: %v", requirement, err)
		}
		if err := os.WriteFile(done, nil, 0o640); err != nil {
			return err
		}
	}
	return e.script(ctx, command{limit: 3 * time.Minute}, bin, append([]string{"-u", e.source("python", script), e.addr}, args...)...)
}
