package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kgoVersion is the release of franz-go whose tests judge the broker; the one in go.mod.
const kgoVersion = "v1.22.2"

//go:embed kgo/exclude.txt
var kgoExclude string

// kgoSuite builds franz-go's own integration tests from the module proxy and runs them.
func kgoSuite(ctx context.Context, e *env) error {
	binary, dir, err := buildKgo(ctx, e)
	if err != nil {
		return err
	}
	pattern, reasons, err := parseExclude(kgoExclude)
	if err != nil {
		return err
	}
	args := []string{"-test.v", "-test.timeout", "11m"}
	if pattern != "" && os.Getenv("LEAT_KGO_ALL") == "" {
		args = append(args, "-test.skip", pattern)
		for _, r := range reasons {
			fmt.Fprintf(e.w, "SKIP kgo: %s\n", r)
		}
	}
	if run := os.Getenv("LEAT_KGO_RUN"); run != "" {
		args = append(args, "-test.run", run)
	}
	records := os.Getenv("KGO_TEST_RECORDS")
	if records == "" {
		records = "50000"
	}
	settings := []string{"KGO_SEEDS=" + e.addr, "KGO_TEST_RF=1", "KGO_LOG_LEVEL=none", "KGO_TEST_RECORDS=" + records}
	if e.broker != nil {
		if err := makeScramUser(ctx, e.addr); err != nil {
			return err
		}
		settings = append(settings, "KGO_TEST_SCRAM_SEEDS="+e.broker.AddrOf("SASL_PLAINTEXT"), "KGO_TEST_SCRAM="+scramUser+":"+scramPassword)
	}
	out, runErr := e.run(ctx, command{dir: dir, limit: 11*time.Minute + 30*time.Second, env: settings}, binary, args...)
	if err := os.WriteFile(filepath.Join(e.work, "output.txt"), []byte(out), 0o640); err != nil {
		return err
	}
	return reportKgo(e, out, runErr)
}

// kgoProps let the suite's SCRAM tests in, on a listener of their own; the rest of it comes by the plain one.
var kgoProps = map[string]string{
	"sasl.enabled.mechanisms":                                     "SCRAM-SHA-256",
	"listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
}

const scramUser, scramPassword = "kgo", "kgo-secret"

func makeScramUser(ctx context.Context, addr string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	done, err := kadm.NewClient(cl).AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{
		User: scramUser, Mechanism: kadm.ScramSha256, Iterations: 4096, Password: scramPassword,
	}})
	if err != nil {
		return err
	}
	return done.Error()
}

// buildKgo compiles the suite once per version.
func buildKgo(ctx context.Context, e *env) (binary, dir string, err error) {
	cache, err := cacheDir("kgo-" + kgoVersion)
	if err != nil {
		return "", "", err
	}
	src, binary := filepath.Join(cache, "src"), filepath.Join(cache, "kgo.test")
	dir = filepath.Join(src, "pkg", "kgo")
	if _, err := os.Stat(binary); err == nil {
		return binary, dir, nil
	}
	out, err := e.run(ctx, command{dir: cache, limit: 3 * time.Minute}, "go", "mod", "download", "-json", "github.com/twmb/franz-go@"+kgoVersion)
	if err != nil {
		return "", "", skip("the module proxy has no franz-go %s for us: %v", kgoVersion, err)
	}
	var mod struct{ Dir string }
	if err := json.Unmarshal([]byte(out[strings.IndexByte(out, '{'):]), &mod); err != nil {
		return "", "", err
	}
	if err := os.RemoveAll(src); err != nil {
		return "", "", err
	}
	if err := os.CopyFS(src, os.DirFS(mod.Dir)); err != nil {
		return "", "", err
	}
	if err := e.fetch(ctx, command{dir: src, limit: 3 * time.Minute, env: []string{"GOFLAGS=-mod=mod"}}, "go", "mod", "download"); err != nil {
		return "", "", skip("the module proxy has not what franz-go %s needs: %v", kgoVersion, err)
	}
	_, err = e.run(ctx, command{dir: src, limit: 5 * time.Minute, env: []string{"GOFLAGS=-mod=mod"}}, "go", "test", "-c", "-o", binary, "./pkg/kgo")
	return binary, dir, err
}

// parseExclude reads lines "TestName[/subtest]  reason" and makes the pattern for -test.skip.
func parseExclude(text string) (pattern string, reasons []string, err error) {
	var names []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, " ")
		if !ok {
			return "", nil, fmt.Errorf("kgo/exclude.txt: %q has no reason", line)
		}
		parts := strings.Split(name, "/")
		for i, p := range parts {
			parts[i] = "^" + regexp.QuoteMeta(p) + "$"
		}
		names = append(names, strings.Join(parts, "/"))
		reasons = append(reasons, name+": "+strings.TrimSpace(reason))
	}
	return strings.Join(names, "|"), reasons, nil
}

var kgoResult = regexp.MustCompile(`^(\s*)--- (PASS|FAIL|SKIP): (\S+) \(`)

// reportKgo counts the tests by result and names those that failed or skipped themselves.
func reportKgo(e *env, out string, runErr error) error {
	count := map[string]int{}
	var failed []string
	var lastSkip string
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		m := kgoResult.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		if m[1] == "" {
			count[m[2]]++
		}
		switch m[2] {
		case "FAIL":
			failed = append(failed, m[3])
		case "SKIP":
			if m[3] != lastSkip {
				fmt.Fprintf(e.w, "SKIP kgo: %s: skipped itself\n", m[3])
			}
			lastSkip = m[3]
		}
	}
	fmt.Fprintf(e.w, "  franz-go %s: %d passed, %d failed, %d skipped (tests at top level)\n", kgoVersion, count["PASS"], count["FAIL"], count["SKIP"])
	e.passed += count["PASS"]
	if len(failed) > 0 {
		fmt.Fprintf(e.w, "%s\n", tail(out, 40))
		return fmt.Errorf("failed: %s (whole output: %s)", strings.Join(failed, " "), filepath.Join(e.work, "output.txt"))
	}
	if runErr != nil {
		return runErr
	}
	if count["PASS"] == 0 {
		return errors.New("no test ran")
	}
	return nil
}
