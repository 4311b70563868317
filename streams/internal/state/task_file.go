package state

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// infoFile stands beside the database of a task that is closed, so that what there is can be told without opening it.
// While the database is open, and after a crash, there is none.
const infoFile = "task"

// taskFile is what is known of a task that has a directory.
type taskFile struct {
	made, used time.Time
	bytes      int64
	offsets    map[string]int64
	closed     bool // the file says it
	known      bool // or the database did
}

const infoText = "leat streams task 1"

// encode writes the lines of the file: the version, made, used, bytes, and offset lines in order.
func (f *taskFile) encode() []byte {
	b := fmt.Appendf(nil, "%s\nmade %d\nused %d\nbytes %d\n", infoText, f.made.UnixMilli(), f.used.UnixMilli(), f.bytes)
	for _, name := range slices.Sorted(maps.Keys(f.offsets)) {
		b = fmt.Appendf(b, "offset %d %s\n", f.offsets[name], name)
	}
	return append(b, "end\n"...)
}

// decodeTaskFile is the way back; ok is false for what encode would not have written.
func decodeTaskFile(b []byte) (f *taskFile, ok bool) {
	f = &taskFile{offsets: map[string]int64{}}
	lines := bufio.NewScanner(bytes.NewReader(b))
	if !lines.Scan() || lines.Text() != infoText {
		return f, false
	}
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		number, name, named := strings.Cut(rest, " ")
		if word == "end" {
			f.closed = rest == ""
			return f, f.closed
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return f, false
		}
		switch {
		case word == "made" && !named:
			f.made = time.UnixMilli(n)
		case word == "used" && !named:
			f.used = time.UnixMilli(n)
		case word == "bytes" && !named:
			f.bytes = n
		case word == "offset" && named:
			f.offsets[name] = n
		default:
			return f, false
		}
	}
	return f, false
}

// readTaskFile gives what the file says, or that nothing is known yet.
func readTaskFile(fs vfs.FS, dir string) *taskFile {
	b, err := readFile(fs, fs.PathJoin(dir, infoFile))
	if err == nil {
		if f, ok := decodeTaskFile(b); ok {
			return f
		}
	}
	return &taskFile{}
}

func (f *taskFile) write(fs vfs.FS, dir string) error {
	return writeFile(fs, fs.PathJoin(dir, infoFile), f.encode())
}
