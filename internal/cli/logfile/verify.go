package logfile

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// severity of a finding. Only damage makes the check fail.
type severity string

const (
	severe  severity = "damage"
	warning severity = "warning"
)

// finding is something that is not as it should be.
type finding struct {
	Severity severity `json:"severity"`
	File     string   `json:"file"`
	Position int64    `json:"position"` // byte of the file, -1 if it concerns the whole
	Offset   int64    `json:"offset"`   // of the records concerned, -1 if unknown
	What     string   `json:"what"`
}

// report is the outcome of a check.
type verdict struct {
	Path       string    `json:"path"`
	Clean      bool      `json:"clean_shutdown"`
	InUse      bool      `json:"in_use"`
	Partitions int       `json:"partitions"`
	Segments   int       `json:"segments"`
	Batches    int64     `json:"batches"`
	Records    int64     `json:"records"`
	Bytes      int64     `json:"bytes"`
	Seconds    float64   `json:"seconds"`
	Damaged    int       `json:"damaged"`
	Warnings   int       `json:"warnings"`
	Findings   []finding `json:"findings"`

	mu sync.Mutex
}

func (v *verdict) add(s severity, file string, pos, offset int64, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s == severe {
		v.Damaged++
	} else {
		v.Warnings++
	}
	v.Findings = append(v.Findings, finding{s, file, pos, offset, fmt.Sprintf(format, args...)})
}

func newVerify(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Check a log directory, or one partition of it",
		Long: "Check a log directory, or one partition of it: the checksum and every record of each batch, offsets, leader\n" +
			"epochs, indexes, producer snapshots and checkpoints, and how they fit together. Nothing is changed.\n\n" +
			"The exit code is 1 if there is damage. What a crash leaves behind and the next start repairs is a warning.",
		Example: "  leat log verify leat-data\n  leat log verify leat-data/log/quakes-0",
		Args:    command.Args(1, 1, "a directory"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error { return verify(cmd.Context(), env, args[0]) },
	}
}

func verify(ctx context.Context, env *command.Env, dir string) error {
	start := time.Now()
	roots, err := findLogs(dir)
	if err != nil {
		return err
	}
	v := &verdict{Path: dir, Findings: []finding{}}
	var work []*partition
	var total int64
	v.Clean = true
	for _, root := range roots {
		l := openRoot(v, root)
		v.Clean = v.Clean && l.clean
		v.InUse = v.InUse || l.inUse
		for _, p := range root.partitions {
			work = append(work, &partition{v: v, root: l, dir: p})
			total += dirSize(p)
		}
	}
	if v.InUse {
		env.Notef("a broker is running on this directory: what it is writing may look unfinished")
	}
	bar := env.Progress("verifying", total, true)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, p := range work {
		p.bar = bar
		g.Go(func() error { return p.check(gctx) })
	}
	err = g.Wait()
	bar.Done()
	if ctx.Err() != nil {
		return fault.Failed("interrupted")
	}
	if err != nil {
		return fault.Failed("cannot read %s", dir).WithDetail("%v", err)
	}
	v.Partitions = len(work)
	v.Seconds = time.Since(start).Seconds()
	slices.SortFunc(v.Findings, func(a, b finding) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return int(a.Position - b.Position)
	})
	if err := env.Emit(v, func() error { return v.write(env.Screen) }); err != nil {
		return err
	}
	if v.Damaged > 0 {
		return fault.ErrReported
	}
	return nil
}

func (v *verdict) write(s *screen.Screen) error {
	for _, f := range v.Findings {
		at := ""
		if f.Position >= 0 {
			at = fmt.Sprintf(", byte %d", f.Position)
		}
		if err := s.Printf("%s: %s%s\n    %s\n", f.Severity, f.File, at, f.What); err != nil {
			return err
		}
	}
	if len(v.Findings) > 0 {
		if err := s.Printf("\n"); err != nil {
			return err
		}
	}
	state := "after a clean stop"
	switch {
	case v.InUse:
		state = "in use"
	case !v.Clean:
		state = "not after a clean stop"
	}
	result := "no damage"
	if v.Damaged > 0 {
		result = screen.Plural(v.Damaged, "place") + " damaged"
	}
	if v.Warnings > 0 {
		result += ", " + screen.Plural(v.Warnings, "warning")
	}
	return s.Printf("checked %s, %s, %s in %s, %s: %s (%s)\n", screen.Plural(v.Partitions, "partition"),
		screen.Plural(v.Segments, "segment"), screen.Plural(v.Records, "record"), screen.Bytes(v.Bytes),
		screen.Duration(time.Duration(v.Seconds*float64(time.Second))), result, state)
}

// logRoot is a log directory, or the parent of a partition that is checked alone.
type logRoot struct {
	dir        string
	partitions []string
	alone      bool // only chosen partitions: the directory's own files are not checked
}

// findLogs finds the partitions in a directory: itself, its children, or those of a directory inside it.
func findLogs(dir string) ([]logRoot, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fault.Usage("cannot read %s", dir).WithDetail("%v", fault.PathCause(err))
	}
	for _, e := range entries {
		if _, suffix, ok := parseSegmentName(e.Name()); ok && suffix == "log" || e.Name() == partitionIDs {
			return []logRoot{{dir: filepath.Dir(absolute(dir)), partitions: []string{dir}, alone: true}}, nil
		}
	}
	var roots []logRoot
	const deepest = 3
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !e.IsDir() {
			return nil
		}
		if rel, _ := filepath.Rel(dir, path); rel != "." && strings.Count(rel, string(filepath.Separator)) >= deepest {
			return fs.SkipDir
		}
		list, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		root := logRoot{dir: path}
		for _, c := range list {
			if _, _, ok := parsePartitionDir(c.Name()); ok && c.IsDir() && isPartition(filepath.Join(path, c.Name())) {
				root.partitions = append(root.partitions, filepath.Join(path, c.Name()))
			}
		}
		if len(root.partitions) == 0 && !exists(filepath.Join(path, metaFile)) {
			return nil
		}
		roots = append(roots, root)
		return fs.SkipDir
	})
	if err != nil {
		return nil, fault.Failed("cannot read %s", dir).WithDetail("%v", err)
	}
	if len(roots) == 0 {
		return nil, fault.Usage("%s is no log directory", dir).WithDetail("it holds no partitions").
			WithHint("give the broker's data directory, its log directory, or the directory of one partition such as quakes-0")
	}
	return roots, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func isPartition(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if _, _, ok := parseSegmentName(e.Name()); ok || e.Name() == partitionIDs || e.Name() == epochFile {
			return true
		}
	}
	return false
}

func dirSize(dir string) int64 {
	var n int64
	entries, _ := os.ReadDir(dir) // only for the progress bar
	for _, e := range entries {
		if _, suffix, ok := parseSegmentName(e.Name()); ok && suffix == "log" {
			if info, err := e.Info(); err == nil {
				n += info.Size()
			}
		}
	}
	return n
}
