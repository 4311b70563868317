package logfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"leat.dev/internal/cli/fault"
)

// checkpoints are what a log directory knows about all its partitions.
type checkpoints struct {
	dir      string
	clean    bool
	inUse    bool
	recovery map[string]int64 // by directory name such as quakes-0
	logStart map[string]int64
	high     map[string]int64
}

// openRoot reads the files of a log directory itself and checks them.
func openRoot(v *verdict, root logRoot) *checkpoints {
	c := &checkpoints{dir: root.dir}
	if _, err := os.Stat(filepath.Join(root.dir, cleanFile)); err == nil {
		c.clean = true
	}
	c.inUse = inUse(filepath.Join(root.dir, lockFile))
	quiet := &verdict{}
	target := v
	if root.alone {
		target = quiet // only one partition was asked for
	}
	c.recovery = readCheckpoint(target, root.dir, recoveryFile)
	c.logStart = readCheckpoint(target, root.dir, logStartFile)
	c.high = readCheckpoint(target, root.dir, watermarkFile)
	readCheckpoint(target, root.dir, cleanerFile)
	name := filepath.Join(root.dir, metaFile)
	if b, err := os.ReadFile(name); err == nil {
		m, err := decodeProperties(b)
		switch {
		case err != nil:
			target.add(severe, name, -1, -1, "%v", err)
		case m["version"] == "1" && (m["cluster.id"] == "" || m["node.id"] == ""):
			target.add(severe, name, -1, -1, "cluster.id or node.id is missing")
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		target.add(severe, name, -1, -1, "cannot be read: %v", fault.PathCause(err))
	}
	return c
}

func readCheckpoint(v *verdict, dir, file string) map[string]int64 {
	out := map[string]int64{}
	name := filepath.Join(dir, file)
	b, err := os.ReadFile(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			v.add(severe, name, -1, -1, "cannot be read: %v", fault.PathCause(err))
		}
		return out
	}
	list, err := decodeCheckpoint(b)
	if err != nil {
		v.add(severe, name, -1, -1, "%v", err)
	}
	for _, e := range list {
		out[dirName(e)] = e.Offset
	}
	return out
}
