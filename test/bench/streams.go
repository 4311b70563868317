package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/test/launch"
)

// streamsSettings are those of the comparison of streams applications.
type streamsSettings struct {
	long      bool
	records   int64  // 0: as quick, long and neither say
	workloads string // "": all
	sides     string // "": both
	profiles  string // folder of our side's profiles
	guarantee string // "": both, alo or eos
	caches    string // "": both, on or off
	broker    string // "": one is started
}

// A streamsWorkload is one topology.
type streamsWorkload struct {
	name, title string
	stateful    bool   // is run with caches and without
	share       int64  // of the input that is processed, as a divisor: slow jobs take less
	java        string // name on the other side; "": the same
}

// inQuick tells whether a quick run has this way of the workload: with caches and at least once each of them, exactly once and
// without caches those in which it is most of the work.
func (w *streamsWorkload) inQuick(cache int64, eos bool) bool {
	switch {
	case cache > 0 && !eos, w.name == "count" && !eos:
		return true
	}
	return eos && cache > 0 && (w.name == "filter" || w.name == "count" || w.name == "table")
}

var streamsWorkloads = []streamsWorkload{
	{name: "filter", title: "filter, map", share: 1},
	{name: "count", title: "count by key", stateful: true, share: 1},
	{name: "hop", title: "aggregate, 5 s hopping by 1 s", stateful: true, share: 4},
	{name: "hop-slices", title: "the same, Slices", stateful: true, share: 4, java: "hop"},
	{name: "join", title: "stream-stream join", stateful: true, share: 2},
	{name: "table", title: "repartition, stream-table join", stateful: true, share: 2},
	{name: "restore", title: "restore"},
}

// streamsRun is what one process showed.
type streamsRun struct {
	perCPU  float64 // records for each CPU-second, second half
	rate    float64 // records a second, second half
	peak    int64
	first   time.Duration
	outputs int64
}

const (
	goSide   = "leat"
	javaSide = "java"
)

// streamsBench is one broker with the inputs of all jobs.
type streamsBench struct {
	*bench
	streamsSettings
	node      *node
	classPath string // "": no Java here
	results   *streamsTable
	seen      map[string]streamsRun // of the other side, which has no Slices
	runs      int
}

// streamsRows compares applications of package streams with the same of Kafka Streams.
func streamsRows(ctx context.Context, b *bench, set streamsSettings, s system) (*streamsTable, error) {
	n, err := set.start(ctx, b, s)
	if err != nil {
		return nil, err
	}
	defer n.end()
	r := &streamsBench{bench: b, streamsSettings: set, node: n, results: &streamsTable{broker: s.title}, seen: map[string]streamsRun{}}
	if r.records == 0 {
		switch {
		case b.quick:
			r.records = 1_000_000
		case set.long:
			r.records = 10_000_000
		default:
			r.records = 2_000_000
		}
	}
	if err := r.compile(ctx); err != nil {
		return nil, err
	}
	if err := r.load(ctx); err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	for _, w := range streamsWorkloads {
		if r.workloads != "" && !slices.Contains(strings.Split(r.workloads, ","), w.name) {
			continue
		}
		if err := r.measure(ctx, w); err != nil {
			return r.results, fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return r.results, nil
}

// start gives the broker.
func (set *streamsSettings) start(ctx context.Context, b *bench, s system) (*node, error) {
	if set.broker == "" {
		return b.start(ctx, s)
	}
	dir, err := os.MkdirTemp(b.dir, "leat-bench-")
	return &node{addr: set.broker, dir: dir}, err
}

func (r *streamsBench) wants(side string) bool {
	return (r.sides == "" || r.sides == side) && (side == goSide || r.classPath != "")
}

// compile makes the Java side.
func (r *streamsBench) compile(ctx context.Context) error {
	if !r.wantsJava() {
		return nil
	}
	classPath, err := launch.CompileJava(ctx, "test/bench/java", filepath.Join(r.node.dir, "classes"))
	if errors.Is(err, launch.ErrUnavailable) {
		fmt.Printf("SKIP Kafka Streams: %v\n", err)
		return nil
	}
	r.classPath = classPath
	return err
}

func (r *streamsBench) wantsJava() bool { return r.sides == "" || r.sides == javaSide }

// measure runs a workload in all its ways on both sides.
func (r *streamsBench) measure(ctx context.Context, w streamsWorkload) error {
	if w.name == "restore" {
		return r.restore(ctx, w)
	}
	caches := []int64{streamsCache, 0}
	if !w.stateful {
		caches = caches[:1]
	}
	for _, cache := range caches {
		for _, eos := range []bool{false, true} {
			if w.stateful && left(r.caches, "on", cache > 0) || left(r.guarantee, "eos", eos) || r.quick && !w.inQuick(cache, eos) {
				continue
			}
			row := &streamsRow{workload: w.title, cache: cache, stateful: w.stateful, eos: eos, runs: map[string]streamsRun{}}
			r.results.rows = append(r.results.rows, row)
			for _, side := range []string{goSide, javaSide} {
				if !r.wants(side) {
					continue
				}
				job := streamsJob{Workload: w.name, Records: r.records / w.share, Cache: cache, EOS: eos}
				if side == javaSide && w.java != "" {
					if run, ok := r.seen[fmt.Sprint(w.java, cache, eos)]; ok {
						row.runs[side] = run
						continue
					}
					job.Workload = w.java
				}
				run, err := r.run(ctx, side, job)
				if err != nil {
					return fmt.Errorf("%s: %w", side, err)
				}
				row.runs[side] = run
				if side == javaSide {
					r.seen[fmt.Sprint(job.Workload, cache, eos)] = run
				}
				fmt.Printf("   %-10s %-4s cache %8d eos %-5v: %4.0f thousand/CPU-s, %4.0f thousand/s, %4.0f MB, first output %v, %d outputs\n",
					w.name, side, cache, eos, run.perCPU/1e3, run.rate/1e3, mb(run.peak), run.first.Round(time.Millisecond), run.outputs)
			}
		}
	}
	return nil
}

// left tells that a setting is none of those that were asked for.
func left(asked, yes string, is bool) bool { return asked != "" && (asked == yes) != is }

// streamsCache is statestore.cache.max.bytes by default.
const streamsCache = 10 << 20

// commitMs is commit.interval.ms: the default of exactly-once, and for at-least-once not the default of 30 s, which a run of
// seconds would not see.
func commitMs(eos bool) int64 {
	if eos {
		return 100
	}
	return 1000
}

// streamsPatience bounds a run.
const streamsPatience = 30 * time.Minute

// run is one process from start to end.
func (r *streamsBench) run(ctx context.Context, side string, job streamsJob) (streamsRun, error) {
	ctx, cancel := context.WithTimeout(ctx, streamsPatience)
	defer cancel()
	r.runs++
	job.App = fmt.Sprintf("bench-%s-%s-%d-%d", job.Workload, side, os.Getpid(), r.runs)
	job.Broker, job.Input, job.CommitMs = r.node.Addr(), streamsInput, commitMs(job.EOS)
	job.Output, job.Dir = job.App+"-out", filepath.Join(r.node.dir, job.App)
	defer r.drop(ctx, job)
	if err := r.node.createTopic(ctx, job.Output, streamsPartitions); err != nil {
		return streamsRun{}, err
	}
	if job.Workload == "restore" {
		if err := r.loadChangelog(ctx, job.App); err != nil {
			return streamsRun{}, err
		}
	}
	cmd, err := r.command(ctx, side, job)
	if err != nil {
		return streamsRun{}, err
	}
	w := watch{job: job, cmd: cmd}
	firsts, err := r.firstOutput(ctx, job)
	if err != nil {
		return streamsRun{}, err
	}
	if err := w.run(ctx); err != nil {
		return streamsRun{}, err
	}
	run, err := w.result()
	if err != nil {
		return run, err
	}
	select {
	case at := <-firsts:
		run.first = at.Sub(w.started)
	case <-ctx.Done():
		return run, ctx.Err()
	}
	return run, nil
}

// firstOutput tells when the first record of the output can be read.
func (r *streamsBench) firstOutput(ctx context.Context, job streamsJob) (<-chan time.Time, error) {
	isolation := kgo.ReadUncommitted()
	if job.EOS {
		isolation = kgo.ReadCommitted()
	}
	cl, err := r.node.client(kgo.ConsumeTopics(job.Output), kgo.FetchIsolationLevel(isolation), kgo.FetchMinBytes(1),
		kgo.FetchMaxWait(500*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	cl.PollFetches(timeout(ctx, 300*time.Millisecond)) // it knows the partitions before the process starts
	at := make(chan time.Time, 1)
	go func() {
		defer cl.Close()
		for ctx.Err() == nil {
			if f := cl.PollFetches(ctx); f.NumRecords() > 0 {
				at <- time.Now()
				return
			}
		}
	}()
	return at, nil
}

func (r *streamsBench) command(ctx context.Context, side string, job streamsJob) (*exec.Cmd, error) {
	if err := os.MkdirAll(job.Dir, 0o750); err != nil {
		return nil, err
	}
	if side == goSide && r.profiles != "" {
		job.Profile = filepath.Join(r.profiles, fmt.Sprintf("%s-%d-%v", job.Workload, job.Cache, job.EOS))
	}
	text, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	var cmd *exec.Cmd
	if side == goSide {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd = exec.CommandContext(ctx, self, "-streams-app", string(text))
	} else {
		name := filepath.Join(job.Dir, "job.json")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return nil, err
		}
		cmd = exec.CommandContext(ctx, "java", "-Dorg.apache.logging.log4j.level=ERROR",
			"-cp", r.classPath, "StreamsBench", name)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// drop takes away what a run left, so that the disk holds one run's output.
func (r *streamsBench) drop(ctx context.Context, job streamsJob) {
	_ = os.RemoveAll(job.Dir)
	cl, err := r.node.client()
	if err != nil {
		return
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return
	}
	var old []string
	for name := range topics {
		if strings.HasPrefix(name, job.App+"-") {
			old = append(old, name)
		}
	}
	if len(old) > 0 {
		_, _ = adm.DeleteTopics(ctx, old...)
	}
}

// watch follows a process by the lines it writes and by /proc.
type watch struct {
	job     streamsJob
	cmd     *exec.Cmd
	started time.Time

	mu    sync.Mutex
	marks map[string]mark
	peak  int64
	out   int64
	total time.Duration
}

// mark is when a process said something, and what it had cost.
type mark struct {
	at  time.Time
	cpu time.Duration
}

func (w *watch) run(ctx context.Context) error {
	var stderr bytes.Buffer
	w.cmd.Stderr = &stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	w.marks = map[string]mark{}
	w.started = time.Now()
	if err := w.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-ended:
				tick.Stop()
				return
			case <-tick.C:
				w.sample()
			}
		}
	})
	err = w.follow(out)
	w.sample()
	close(ended)
	sampling.Wait()
	if e := w.cmd.Wait(); e != nil || err != nil {
		return fmt.Errorf("the application: %w\n%s", errors.Join(err, e), tail(stderr.Bytes()))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.total = w.cmd.ProcessState.UserTime() + w.cmd.ProcessState.SystemTime()
	if _, ok := w.marks["done"]; !ok {
		return fmt.Errorf("the application ended early\n%s", tail(stderr.Bytes()))
	}
	return nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-4000):] }

func (w *watch) follow(out io.Reader) error {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		if word == "outputs" {
			if _, err := fmt.Sscan(rest, &w.out); err != nil {
				return err
			}
			continue
		}
		u, err := launch.ProcessUsage(w.cmd.Process.Pid)
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.marks[word] = mark{time.Now(), u.CPU}
		w.mu.Unlock()
	}
	return lines.Err()
}

func (w *watch) sample() {
	if u, err := launch.ProcessUsage(w.cmd.Process.Pid); err == nil {
		w.mu.Lock()
		w.peak = max(w.peak, u.Peak)
		w.mu.Unlock()
	}
}

func (w *watch) result() (streamsRun, error) {
	run := streamsRun{peak: w.peak, outputs: w.out}
	from, to, n := w.marks["half"], w.marks["done"], float64(w.job.Records-w.job.Records/2)
	to.cpu = w.total // with what caches held, and the last commit
	if w.job.Workload == "restore" {
		from, to, n = w.marks["begin"], w.marks["running"], float64(restoreKeys)
	}
	for _, m := range []mark{from, to} {
		if m.at.IsZero() {
			return run, errors.New("the application did not say when it was half way, or restored")
		}
	}
	run.perCPU = n / cpuSeconds(to.cpu-from.cpu)
	run.rate = n / to.at.Sub(from.at).Seconds()
	return run, nil
}

// restore measures how a table is read again from its changelog.
func (r *streamsBench) restore(ctx context.Context, w streamsWorkload) error {
	row := &streamsRow{workload: fmt.Sprintf("restore %d keys", restoreKeys), runs: map[string]streamsRun{}}
	r.results.rows = append(r.results.rows, row)
	for _, side := range []string{goSide, javaSide} {
		if !r.wants(side) {
			continue
		}
		run, err := r.run(ctx, side, streamsJob{Workload: w.name, Records: 1, Cache: streamsCache})
		if err != nil {
			return fmt.Errorf("%s: %w", side, err)
		}
		row.runs[side] = run
		fmt.Printf("   %-10s %-4s: %4.0f thousand/CPU-s, %4.0f thousand/s, %4.0f MB\n", w.name, side, run.perCPU/1e3, run.rate/1e3, mb(run.peak))
	}
	return nil
}
